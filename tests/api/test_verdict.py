"""What a reply proves: nothing counts as updated that it does not prove, and nothing makes it fall over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.api.reasons import REASON_CHARACTERS_MAX
from engine.api.verdict import (
    ERRORS_PER_RECORD_MAX,
    Fatal,
    RefusedWhole,
    Settled,
    Trouble,
    TryAgain,
    Unproven,
    Verdict,
    interpret,
)
from engine.api.wire import NoReply, Reply
from engine.values import Outcome
from engine.values.errors import AccessRefused, EndpointUntrusted, NotTheApi

IDS = ["loan_1", "loan_2", "loan_3", "loan_4"]


def reply(status: int = 200, document: Any = None, **headers: str) -> Reply:
    return Reply(status, headers, document if isinstance(document, bytes) else json.dumps(document).encode())


def results(
    successful: Any = 4, failed: Any = 0, errors: Any = None, *, status: int = 200, success: Any = True, **more: Any
) -> Reply:
    counts = {"total": 4, "successful": successful, "failed": failed, "errors": errors} | more
    return reply(status, {"success": success, "message": "processed", "results": counts})


def refused(verdict: Verdict) -> list[int]:
    assert isinstance(verdict, Settled), verdict
    assert all(failure.outcome is Outcome.REJECTED for failure in verdict.failures)
    return [failure.index for failure in verdict.failures]


def trouble(verdict: Verdict) -> Trouble:
    assert isinstance(verdict, TryAgain), verdict
    return verdict.trouble


def test_the_example_of_the_api_page_settles_all() -> None:
    counts = {"valid": 4, "invalid": 0, "retried": 1, "batchesProcessed": 1}
    assert interpret(results(errors=[], **counts), IDS) == Settled((), retried=1)
    assert interpret(results(errors=None), IDS) == Settled()


def test_a_byte_order_mark_before_the_reply_is_ignored() -> None:
    honest = results(3, 1, ["loan_3: bad"])
    assert honest.body is not None
    assert refused(interpret(Reply(200, {}, b"\xef\xbb\xbf" + honest.body), IDS)) == [2]


@pytest.mark.parametrize("status", [200, 201, 202, 207, 400, 422, 500])
@pytest.mark.parametrize("success", [True, False, None])
def test_named_failures_are_settled_whatever_the_status_says(status: int, success: object) -> None:
    errors = [{"id": "loan_2", "error": "bad phone"}, "loan_4: locked"]
    verdict = interpret(results(2, 2, errors, status=status, success=success), IDS)
    assert refused(verdict) == [1, 3]
    assert isinstance(verdict, Settled)
    assert [failure.reason for failure in verdict.failures] == ["bad phone", "loan_4: locked"]
    assert {failure.http_status for failure in verdict.failures} == {status}


@pytest.mark.parametrize(
    "counts",
    [
        {"successful": 2, "failed": 2, "valid": 3, "invalid": 1},  # `failed` includes what was invalid
        {"successful": 2, "failed": 1, "valid": 3, "invalid": 1},  # it does not
        {"successful": 2, "failed": 2, "invalid": 1},
        {"successful": 2, "failed": 2, "valid": 4},
    ],
)
def test_invalid_records_are_failures_whichever_way_they_are_counted(counts: dict[str, int]) -> None:
    assert refused(interpret(results(errors=["loan_1: bad", "loan_3: bad"], **counts), IDS)) == [0, 2]


@pytest.mark.parametrize(
    "counts",
    [
        {"total": 3, "successful": 3},
        {"total": 5, "successful": 5},
        {"total": 4, "successful": 3, "failed": 0},
        {"total": 4, "successful": 4, "failed": 1},
        {"total": 4, "successful": 5, "failed": -1},
        {"total": 4, "successful": 4, "failed": 0, "invalid": 1},
        {"total": 4, "successful": 4, "failed": 0, "valid": 3, "invalid": 1},
        {"total": 4, "successful": 4, "failed": 0, "valid": 3, "invalid": 0},
        {"total": "4"},
        {"total": None},
        {"total": True},
        {"total": 4.0},
        {"successful": None},
        {"successful": True, "failed": 3},
        {"failed": "0"},
        {"failed": 2**70},
        {"errors": "none"},
        {"errors": {}},
        {"errors": ["loan_1 failed"]},  # beside `failed: 0`
        {"successful": 3, "failed": 1, "errors": ["loan_1: bad", "loan_2: bad"]},
    ],
)
def test_counts_that_do_not_add_up_prove_nothing(counts: dict[str, Any]) -> None:
    assert trouble(interpret(results(**counts), IDS)) is Trouble.CONTRADICTION


@pytest.mark.parametrize("success", [False, None, "true", 1])
def test_success_must_be_said_where_nothing_failed(success: object) -> None:
    assert trouble(interpret(results(success=success), IDS)) is Trouble.CONTRADICTION


@pytest.mark.parametrize("status", [400, 422, 500, 503])
def test_an_error_status_beside_full_success_proves_nothing(status: int) -> None:
    assert trouble(interpret(results(status=status), IDS)) is Trouble.CONTRADICTION


@pytest.mark.parametrize(
    "errors", [[], ["1 record failed"], [{"id": "nobody"}], [{"index": 9}], [None], [{"error": "loan_1 or loan_2"}]]
)
def test_failures_that_nobody_named_leave_all_open(errors: list[Any]) -> None:
    verdict = interpret(results(3, 1, errors), IDS)
    assert isinstance(verdict, Unproven)
    assert (verdict.failures, list(verdict.open_indexes)) == ((), [0, 1, 2, 3])


def test_of_failures_named_in_part_the_others_stay_open() -> None:
    verdict = interpret(results(2, 2, ["loan_3: bad", "somebody else failed, too"]), IDS)
    assert isinstance(verdict, Unproven)
    assert [failure.index for failure in verdict.failures] == [2]
    assert list(verdict.open_indexes) == [0, 1, 3]


def test_records_whose_turn_has_not_come_are_open_and_not_refused() -> None:
    errors = [{"id": "loan_2", "error": "bad phone"}, {"id": "loan_4", "status": 503}]
    verdict = interpret(results(2, 2, errors, status=207, success=False), IDS)
    assert isinstance(verdict, Unproven)
    assert [failure.index for failure in verdict.failures] == [1]
    assert (list(verdict.open_indexes), verdict.trouble) == ([3], Trouble.THROTTLED)
    assert verdict.reason == "HTTP 207, and HTTP 503 for single records"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, Trouble.THROTTLED), (503, Trouble.THROTTLED), (502, Trouble.OUTAGE), (504, Trouble.OUTAGE)],
)
def test_a_request_of_which_no_record_had_its_turn_is_sent_again(status: int, expected: Trouble) -> None:
    for errors in ([{"id": id_, "code": status} for id_ in IDS], [{"code": status}], [{"code": status}] * 4):
        assert trouble(interpret(results(0, 4, errors, status=207), IDS)) is expected
    assert trouble(interpret(results(3, 1, [{"code": status}], status=207), IDS)) is expected
    assert trouble(interpret(results(0, 1, [{"code": status}], total=1), ["only"])) is expected


def test_where_some_had_no_turn_and_some_are_unnamed_nobody_is_guessed() -> None:
    verdict = interpret(results(1, 3, [{"id": "loan_2", "status": 429}, {"error": "bad"}]), IDS)
    assert isinstance(verdict, Unproven)
    assert (verdict.failures, list(verdict.open_indexes), verdict.trouble) == ((), [0, 1, 2, 3], None)


def test_from_where_indexes_count_is_told_and_taken_into_account() -> None:
    verdict = interpret(results(2, 2, [{"index": 4}, {"index": 1}]), IDS)
    assert refused(verdict) == [0, 3]
    assert isinstance(verdict, Settled)
    assert verdict.index_base == 1
    lone = results(3, 1, [{"index": 2, "error": "bad"}])
    assert isinstance(interpret(lone, IDS), Unproven)
    assert [refused(interpret(lone, IDS, base)) for base in (0, 1)] == [[2], [1]]
    alone = interpret(results(0, 1, [{"index": 0, "error": "bad"}], total=1), ["only"])
    assert isinstance(alone, Settled)
    assert (alone.failures[0].reason, alone.index_base) == ("bad", 0)


def test_all_failed_and_nobody_named_is_a_refusal_of_the_whole() -> None:
    verdict = interpret(results(0, 4, ["a value is invalid"], status=400, success=False), IDS)
    assert verdict == RefusedWhole("a value is invalid", 400)


def test_all_failed_with_a_server_error_may_work_later() -> None:
    assert trouble(interpret(results(0, 4, status=500, success=False), IDS)) is Trouble.OUTAGE


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"id": "only", "error": "bad"}], "bad"),
        ([{"error": "bad"}], "bad"),
        ([], "processed"),
        ([{"id": "only"}], ""),
        ([{"id": "only", "error": "busy", "status": 503}], ""),
    ],
)
def test_a_server_error_for_a_single_record_tells_its_reason(errors: list[dict[str, object]], said: str) -> None:
    verdict = interpret(results(0, 1, errors, total=1, status=500, success=False), ["only"])
    assert verdict == TryAgain("HTTP 500: every record failed", Trouble.OUTAGE, 500, said)


def test_a_single_record_that_failed_needs_no_name() -> None:
    verdict = interpret(results(0, 1, [{"error": "bad"}], total=1, status=207), ["only"])
    assert refused(verdict) == [0]
    assert isinstance(verdict, Settled)
    assert verdict.failures[0].reason == "bad"


@pytest.mark.parametrize("status", [400, 412, 413, 418, 422])
def test_a_request_refused_as_a_whole(status: int) -> None:
    verdict = interpret(reply(status, {"success": False, "error": "validation", "message": "phone is invalid"}), IDS)
    assert verdict == RefusedWhole("phone is invalid", status, too_large=status == 413)
    page = RefusedWhole(f"HTTP {status}", status, too_large=status == 413, oddity=f"HTTP {status} with a web page")
    assert interpret(reply(status, b"<html>"), IDS) == page


@pytest.mark.parametrize("body", [b"", b"Bad Request", b"<html>", b"[]", b'{"message": "no Route matched"}', None])
def test_a_refusal_in_no_documented_form_is_told_from_the_apis_own(body: bytes | None) -> None:
    verdict = interpret(Reply(400, {}, body), IDS)
    assert isinstance(verdict, RefusedWhole)
    assert verdict.oddity.startswith("HTTP 400 with ")


@pytest.mark.parametrize("status", [405, 406, 411, 414, 415, 417, 426, 428, 431, 501, 505])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"success": false, "message": "use POST"}'])
def test_a_refused_form_of_request_stops_the_run_and_blames_no_record(status: int, body: bytes) -> None:
    verdict = interpret(Reply(status, {}, body), IDS)
    assert isinstance(verdict, Fatal)
    assert isinstance(verdict.error, AccessRefused)
    assert f"HTTP {status}" in str(verdict.error)
    assert "api.url" in str(verdict.error)


@pytest.mark.parametrize("status", [403, 404, 405, 410, 511])
def test_a_page_in_the_place_of_the_api_is_called_one(status: int) -> None:
    verdict = interpret(Reply(status, {}, b"<html>SECRET</html>"), IDS)
    assert isinstance(verdict, Fatal)
    assert isinstance(verdict.error, NotTheApi)
    assert f"this is not the API: HTTP {status} with a web page" in str(verdict.error)
    assert "SECRET" not in str(verdict.error)


def test_a_proxy_that_wants_a_password_is_no_refused_token() -> None:
    for answer in (Reply(407), Reply(407, by_proxy=True), Reply(401, {}, b"<html>", by_proxy=True)):
        verdict = interpret(answer, IDS)
        assert isinstance(verdict, Fatal)
        assert "api.proxy" in str(verdict.error)
        assert "token" not in str(verdict.error)


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_proxy_that_lets_nothing_through_is_named(status: int) -> None:
    verdict = interpret(Reply(status, {}, b"<html>", by_proxy=True), IDS)
    assert isinstance(verdict, Fatal)
    assert "api.proxy" in str(verdict.error)


def test_a_proxy_without_a_way_to_the_api_is_an_outage_that_names_it() -> None:
    verdict = interpret(Reply(503, {}, b"<html>", by_proxy=True), IDS)
    assert verdict == TryAgain("the proxy answered HTTP 503", Trouble.OUTAGE, 503)
    assert interpret(Reply(413, {}, b"<html>", by_proxy=True), IDS) == interpret(Reply(413, {}, b"<html>"), IDS)


@pytest.mark.parametrize("status", [408, 409, 421, 423, 424, 425, 499, 500, 502, 503, 504, 520, 599])
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b'{"success": false}', None])
def test_errors_of_the_server_may_be_gone_later(status: int, body: bytes | None) -> None:
    assert trouble(interpret(Reply(status, {}, body), IDS)) is Trouble.OUTAGE


def test_throttling_is_throttling_whatever_stands_in_it() -> None:
    assert trouble(interpret(reply(429, b"slow down"), IDS)) is Trouble.THROTTLED
    assert trouble(interpret(results(status=429), IDS)) is Trouble.THROTTLED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        None,
        b"OK",
        b"<html>Log in</html>",
        b"[]",
        b"null",
        b"true",
        b"4",
        b'"ok"',
        b"\xff\xfe",
        b'{"success":tr',
        b"\x00",
    ],
)
@pytest.mark.parametrize("status", [200, 201, 204, 207])
def test_a_success_that_cannot_be_read_is_none(status: int, body: bytes | None) -> None:
    assert trouble(interpret(Reply(status, {}, body), IDS)) is Trouble.OUTAGE


@pytest.mark.parametrize("document", [{}, {"success": True}, {"success": True, "results": []}, {"results": None}])
def test_a_success_without_results_is_none(document: Any) -> None:
    assert trouble(interpret(reply(200, document), IDS)) is Trouble.CONTRADICTION


@pytest.mark.parametrize(
    ("answer", "oddity"),
    [
        (reply(202, {"jobId": 7}), "HTTP 202 with a JSON object without results"),
        (Reply(204), "HTTP 204 with no body"),
        (Reply(200, {}, b"<html>"), "HTTP 200 with a web page"),
        (results(3, 0), "HTTP 200, and the counts of the reply do not add up"),
        (results(success=False), "HTTP 200, and the reply contradicts itself"),
    ],
)
def test_what_is_not_as_documented_is_told_in_words(answer: Reply, oddity: str) -> None:
    verdict = interpret(answer, IDS)
    assert isinstance(verdict, TryAgain)
    assert verdict.oddity == oddity


def test_an_endless_list_of_errors_is_not_looked_through() -> None:
    answer = results(3, 1, ["loan_1: bad"] * (ERRORS_PER_RECORD_MAX * len(IDS) + 1))
    assert trouble(interpret(answer, IDS)) is Trouble.CONTRADICTION


def test_nesting_beyond_reason_is_no_reply() -> None:
    assert trouble(interpret(reply(200, b"[" * 100_000 + b"]" * 100_000), IDS)) is Trouble.OUTAGE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_stops_the_run(status: int) -> None:
    verdict = interpret(Reply(status, {"location": "https://elsewhere.example"}, b""), IDS)
    assert isinstance(verdict, Fatal)
    assert isinstance(verdict.error, EndpointUntrusted)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 410, 451])
def test_a_refused_access_stops_the_run_and_rejects_nothing(status: int) -> None:
    for answer in (reply(status, {"message": "SECRET-TOKEN is not valid"}), results(0, 4, IDS, status=status)):
        verdict = interpret(answer, IDS)
        assert isinstance(verdict, Fatal)
        assert isinstance(verdict.error, AccessRefused)
        assert verdict.error.exit_code == 77
        assert "SECRET" not in str(verdict.error)


def test_no_reply_proves_nothing_and_a_fatal_one_stops() -> None:
    assert trouble(interpret(NoReply("the connection was reset"), IDS)) is Trouble.OUTAGE
    untrusted = EndpointUntrusted("the certificate has expired")
    assert interpret(NoReply("TLS failed", untrusted), IDS) == Fatal(untrusted, 0)


def test_reasons_are_cut_wherever_they_come_from() -> None:
    page = "bad " * 10_000
    answers = [
        results(3, 1, [{"id": "loan_1", "error": page}]),
        results(0, 4, [page], status=400),
        reply(400, {"message": page}),
        reply(400, {"error": {"message": page}}),
    ]
    verdicts = [*(interpret(answer, IDS) for answer in answers), interpret(results(0, 1, [page], total=1), ["only"])]
    assert all(len(reason) == REASON_CHARACTERS_MAX for verdict in verdicts for reason in _reasons(verdict))


def _reasons(verdict: Verdict) -> Iterator[str]:
    if isinstance(verdict, (Settled, Unproven)):
        yield from (failure.reason for failure in verdict.failures)
    elif isinstance(verdict, (RefusedWhole, TryAgain)):
        yield verdict.reason


# A fuzzer over replies. The oracle knows only the rule: what may count as updated, and what may be blamed.

Small = st.integers(-1, 6) | st.sampled_from([None, True, "4", 4.0, 2**65])
Named = st.sampled_from([*IDS, "nobody", "loan_1 and loan_2", 0, 1, 9, -1, None, True])
Items = st.lists(
    Named
    | st.builds(
        lambda key, value: {key: value, "error": "bad"}, st.sampled_from(["id", "loan_id", "index", "x"]), Named
    )
    | st.builds(lambda value: {"update": {"_id": value}}, Named),
    max_size=6,
)
Results = st.fixed_dictionaries(
    {},
    optional={
        "total": Small | st.just(4),
        "valid": Small,
        "invalid": Small,
        "successful": Small,
        "failed": Small,
        "retried": Small,
        "errors": Items | Small,
    },
)
Documents = st.fixed_dictionaries(
    {}, optional={"success": st.booleans() | Small, "message": st.text(), "results": Results}
)
Statuses = st.sampled_from([200, 201, 207, 400, 413, 422, 429, 500, 503])


@given(Statuses, Documents, st.integers(1, 4))
def test_only_what_is_proven_is_settled(status: int, document: dict[str, Any], count: int) -> None:
    ids = IDS[:count]
    verdict = interpret(reply(status, document), ids)
    counts = document.get("results", {})
    if isinstance(verdict, Settled):
        blamed = {failure.index for failure in verdict.failures}
        assert len(blamed) == len(verdict.failures)
        assert blamed <= set(range(count))
        assert counts["total"] == count  # every record was received
        assert counts["successful"] == count - len(blamed)  # as many as are called updated, and no other
        assert counts.get("failed") in (len(blamed), len(blamed) - counts.get("invalid", 0))
        assert status != 429
        if not blamed:
            assert document["success"] is True
            assert status < 300
            assert not counts.get("errors")
        named = repr(counts.get("errors"))
        assert count == 1 or all(
            any(name in named for name in (ids[index], f": {index}", f": {index + 1}")) for index in blamed
        )
    elif isinstance(verdict, Unproven):
        blamed = {failure.index for failure in verdict.failures}
        assert blamed.isdisjoint(verdict.open_indexes)
        assert blamed | set(verdict.open_indexes) == set(range(count))
        assert verdict.open_indexes


@given(st.integers(100, 599), st.binary() | st.none(), st.dictionaries(st.text(), st.text()))
def test_whatever_comes_there_is_a_verdict_and_no_noise_is_a_success(
    status: int, body: bytes | None, headers: dict[str, str]
) -> None:
    assert not isinstance(interpret(Reply(status, headers, body), IDS), (Settled, Unproven))


Json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["success", "results", "errors", "total", "message", "error", "id"]), inner)
    ),
    max_leaves=12,
)


@given(Statuses, Json)
def test_no_json_at_all_makes_it_fall_over(status: int, document: Any) -> None:
    interpret(Reply(status, {}, json.dumps(document).encode("utf-8", "surrogatepass")), IDS)
