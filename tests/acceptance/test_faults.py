"""Every fault injected for real: the accounts balance, and what is called updated is on the server."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.engine_process import WAIT_S, Engine, Outcome, balanced
from tests.acceptance.portfolios import Portfolio, ndjson_line, portfolio, write_ndjson
from tests.ports import free_port

MakeEngine = Callable[..., Engine]

RECORDS = 600
CHUNK = 50

TRANSIENT = (
    "reset-before-body", "reset-mid-body", "reset-after-body", "reset-after-apply", "close-after-reply",
    "truncated-reply", "endless-reply", "huge-reply", "gzip-bomb", "hang", "hang-after-apply", "not-json", "html-200",
    "success-false", "500", "502-html", "503", "503-after-apply", "504-html", "500-results",
)  # fmt: skip
"""Faults that strike some requests; the same bytes sent again get through."""


def prepared(engine: Engine, count: int = RECORDS, **upload: Any) -> Portfolio:
    loans = portfolio(count)
    write_ndjson(engine.home / "loans.ndjson", loans)
    engine.configure(upload={"batch_size": CHUNK, "concurrency": 4} | upload)
    return loans


def assert_true(engine: Engine, done: Outcome, loans: Portfolio) -> None:
    """Sums balance; each record called updated is on the server with its latest values; no two versions in flight."""
    assert balanced(done.report["records"]), done.report["records"]
    state, undelivered = engine.server.state(), {reject["id"] for reject in engine.rejects() if "id" in reject}
    delivered = {record_id: data for record_id, data in loans.items() if record_id not in undelivered}
    if not done.report["records"]["pending"]:
        assert {record_id: state.get(record_id) for record_id in delivered} == delivered
        assert done.report["records"]["updated"] == len(delivered)
    assert engine.server.stats()["overlaps"] == 0


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_passing_fault_is_survived(fault: str, make_engine: MakeEngine) -> None:
    engine = make_engine(fault=f"{fault}:every=4")
    loans = prepared(engine)
    engine.configure(api={"timeout_s": 1.0})  # what never ends is soon given up; elsewhere requests are counted
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": RECORDS, "updated": RECORDS}), done.err
    assert_true(engine, done, loans)


@pytest.mark.parametrize("fault", ["counts-lie", "total-lie", "errors-unnamed"])
def test_a_lying_reply_is_never_believed(fault: str, make_engine: MakeEngine) -> None:
    engine = make_engine(fault=f"{fault}:every=3")
    loans = prepared(engine)
    done = engine.sync()
    assert done.exit_code in (0, 3), done.err
    assert_true(engine, done, loans)


@pytest.mark.parametrize("retry_after", ["seconds", "date", "none", "-5", "soon", "0.25"])
def test_throttling_in_every_form_is_obeyed(retry_after: str, make_engine: MakeEngine) -> None:
    engine = make_engine(rate=10, burst=1, retry_after=retry_after)  # the first four come at once
    loans = prepared(engine)
    done = engine.sync()
    assert (done.exit_code, done.report["requests"]["throttled"] > 0) == (0, True), done.err
    assert_true(engine, done, loans)


def test_a_wait_beyond_the_window_stops_cleanly(make_engine: MakeEngine) -> None:
    engine = make_engine(rate=0.01, burst=2, retry_after="86400")  # so rare that no machine is as slow
    prepared(engine)
    done = engine.sync()
    assert (done.exit_code, done.report["status"], done.records["pending"] > 0) == (75, "interrupted", True)


@pytest.mark.parametrize("kind", ["503", "reset", "refused"])
def test_an_outage_is_waited_out(kind: str, make_engine: MakeEngine) -> None:
    engine = make_engine(outage="0.1:1.5", outage_kind=kind, port=free_port())
    loans = prepared(engine, 2_000, requests_per_second=30.0)
    done = engine.sync()
    assert done.exit_code == 0, done.err
    requests = done.report["requests"]
    assert requests["failed"] <= 0.1 * requests["succeeded"] + 20
    assert_true(engine, done, loans)


def test_an_outage_longer_than_the_window_is_75_and_resumable(make_engine: MakeEngine) -> None:
    engine = make_engine(fault="503")
    loans = prepared(engine, retry_window_s=1.0)
    done = engine.sync()
    assert (done.exit_code, done.records) == (75, {"read": done.records["read"], "pending": done.records["read"]})
    engine.server.change(fault=[])
    again = engine.sync()
    assert (again.exit_code, again.report["resumes"]) == (0, 1)
    assert_true(engine, again, loans)


@pytest.mark.parametrize("status", [400, 422])
def test_one_poison_record_is_isolated(status: int, make_engine: MakeEngine) -> None:
    engine = make_engine(poison="loan_007777", poison_status=status)
    loans = portfolio(10_000)
    write_ndjson(engine.home / "loans.ndjson", loans)
    done = engine.sync()
    assert (done.exit_code, done.records) == (3, {"read": 10_000, "updated": 9_999, "rejected": 1})
    assert done.report["requests"]["split"] <= 2 * math.log2(10_000) + 2
    [reject] = engine.rejects()
    assert (reject["id"], reject["http_status"], reject["source"]["row"]) == ("loan_007777", status, 7_778)
    assert reject["data"] == loans["loan_007777"]
    assert_true(engine, done, loans)


@pytest.mark.parametrize(
    "shape", ["id", "_id", "loan_id", "lead_id", "recordId", "index", "nested", "text", "unnamed", "unknown-id"]
)
def test_rejects_are_attributed_or_found(shape: str, make_engine: MakeEngine) -> None:
    engine = make_engine(reject=["loan_000003", "loan_000300", "loan_000599"], error_shape=shape)
    loans = prepared(engine)
    done = engine.sync()
    assert (done.exit_code, done.records) == (3, {"read": RECORDS, "updated": RECORDS - 3, "rejected": 3}), done.err
    assert {reject["id"] for reject in engine.rejects()} == {"loan_000003", "loan_000300", "loan_000599"}
    assert (done.report["requests"]["split"] > 0) == (shape in ("index", "unnamed", "unknown-id"))
    assert_true(engine, done, loans)


def test_413_halves_and_later_chunks_respect_what_was_learned(make_engine: MakeEngine) -> None:
    engine = make_engine(max_body_bytes=4_000)
    loans = prepared(engine, concurrency=1)
    done = engine.sync()
    assert done.exit_code == 0, done.err
    assert engine.server.stats()["by_status"]["413"] <= 2
    assert_true(engine, done, loans)


def test_a_record_too_large_alone_is_rejected(make_engine: MakeEngine) -> None:
    engine = make_engine(max_body_bytes=4_000)
    loans = portfolio(20) | {"large": {"note": "x" * 10_000}}
    write_ndjson(engine.home / "loans.ndjson", loans)
    done = engine.sync()
    assert (done.exit_code, done.records) == (3, {"read": 21, "updated": 20, "rejected": 1})
    assert_true(engine, done, loans)


def test_a_rotated_token_is_read_again(make_engine: MakeEngine) -> None:
    engine = make_engine(token="old", next_token="new", rotate_after=3, hold="before-reply")
    loans = prepared(engine, concurrency=1)
    token = engine.home / "token"
    token.write_text("old\n", encoding="utf-8")
    engine.configure(api={"token_file": "token"})
    process = engine.start("sync", "--json")
    engine.server.wait(held=1)
    token.write_text("new\n", encoding="utf-8")
    engine.server.change(hold="nothing")
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    assert json.loads(out)["records"]["updated"] == len(loans)


@pytest.mark.parametrize("fault", ["401", "403", "404-html"])
def test_a_refused_access_that_passes_is_survived(fault: str, make_engine: MakeEngine) -> None:
    engine = make_engine(fault=f"{fault}:every=6")
    loans = prepared(engine)
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": RECORDS, "updated": RECORDS}), done.err
    assert_true(engine, done, loans)


@pytest.mark.parametrize("fault", ["402", "405", "407", "415"])
def test_one_that_will_not_stops_and_rejects_nothing(fault: str, make_engine: MakeEngine) -> None:
    engine = make_engine(fault=f"{fault}:every=6")
    prepared(engine)
    done = engine.sync()
    assert (done.exit_code, engine.rejects(), done.report["status"]) == (77, [], "failed")
    assert balanced(done.report["records"])


def test_a_redirect_is_never_followed(make_engine: MakeEngine) -> None:
    other = make_engine()
    engine = make_engine(fault="redirect", redirect_to=other.server.url)
    engine.tables.clear()
    engine.configure(source={"path": "loans.ndjson"})
    prepared(engine)
    done = engine.sync()
    assert (done.exit_code, other.server.stats()["requests"]) == (77, 0)


def test_too_many_rejects_stop_early_and_say_how_to_go_on(make_engine: MakeEngine) -> None:
    engine = make_engine(reject_share=0.5)
    loans = prepared(engine, 2_000, concurrency=1)
    stopped = engine.sync()
    assert (stopped.exit_code, stopped.records["pending"] > 0) == (65, True)
    assert "guard.max_rejected" in stopped.report["message"]
    engine.env["ENGINE_GUARD__MAX_REJECTED"] = "100%"
    done = engine.sync()
    assert (done.exit_code, done.report["resumes"]) == (3, 1)
    assert_true(engine, done, loans)


@pytest.mark.parametrize(
    ("guard", "override"), [({"min_records": 700}, "MIN_RECORDS"), ({"max_shrink": "10%"}, "MAX_SHRINK")]
)
def test_a_source_that_is_too_small_is_not_sent(guard: dict[str, Any], override: str, make_engine: MakeEngine) -> None:
    engine = make_engine()
    prepared(engine, 1_000)
    assert engine.sync().exit_code == 0
    requests = engine.server.stats()["requests"]
    prepared(engine, 600)
    engine.configure(guard=guard)
    refused = engine.sync()
    assert (refused.exit_code, f"ENGINE_GUARD__{override}" in refused.err) == (65, True)
    assert engine.server.stats()["requests"] == requests


def test_a_guard_that_trips_at_the_end_does_not_block_the_next_night(make_engine: MakeEngine) -> None:
    engine = make_engine(reject_share=0.5)
    prepared(engine, 40)
    stopped = engine.sync()
    assert (stopped.exit_code, stopped.records["read"], "pending" in stopped.records) == (65, 40, False)
    engine.server.change(reject_share=0.0)
    loans = prepared(engine, 50)
    done = engine.sync()
    assert (done.exit_code, done.report["resumes"]) == (0, 0)
    assert_true(engine, done, loans)


def lines_of(loans: Portfolio, invalid: int) -> bytes:
    """Return a portfolio with so many invalid lines before it."""
    return b'{"id":7,"data":{}}\n' * invalid + b"".join(ndjson_line(*loan) + b"\n" for loan in loans.items())


def test_a_source_that_is_mostly_invalid_stops_before_anything_is_sent(make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = prepared(engine, 300)
    (engine.home / "loans.ndjson").write_bytes(lines_of(loans, 5_000))
    stopped = engine.sync()
    assert (stopped.exit_code, stopped.report["status"]) == (65, "failed"), stopped.err
    assert stopped.records["pending"] == stopped.records["read"] < 5_300
    for part in (" records read are invalid, more than guard.max_invalid (5%) allows", "of them: id is a number"):
        assert part in stopped.report["message"]
    assert engine.server.stats()["requests"] == 0
    write_ndjson(engine.home / "loans.ndjson", loans)
    engine.configure(upload={"batch_size": 7})  # nothing was sent, so anything may be mended
    done = engine.sync()
    assert (done.exit_code, done.report["resumes"]) == (0, 0), done.err
    assert_true(engine, done, loans)


def test_what_is_invalid_can_be_accepted_for_a_run(make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = prepared(engine, 300)
    (engine.home / "loans.ndjson").write_bytes(lines_of(loans, 2_000))
    engine.env["ENGINE_GUARD__MAX_INVALID"] = "100%"
    done = engine.sync()
    assert (done.exit_code, done.records) == (3, {"read": 2_300, "invalid": 2_000, "updated": 300}), done.err
    assert_true(engine, done, loans)


def test_a_small_source_is_judged_when_all_the_rest_is_delivered(make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = prepared(engine, 100)
    (engine.home / "loans.ndjson").write_bytes(lines_of(loans, 10))
    stopped = engine.sync()
    assert (stopped.exit_code, stopped.records) == (65, {"read": 110, "invalid": 10, "updated": 100}), stopped.err
    assert "10 of the 110 records read are invalid" in stopped.report["message"]
    (engine.home / "loans.ndjson").write_bytes(lines_of(loans, 9))
    done = engine.sync()
    assert (done.exit_code, done.report["resumes"], done.records["invalid"]) == (3, 0, 9), done.err
    assert_true(engine, done, loans)


def test_replay_sends_what_was_rejected_and_nothing_out_of_date(make_engine: MakeEngine) -> None:
    engine = make_engine(reject=["loan_000001", "loan_000002"])
    loans = prepared(engine, 10)
    engine.configure(guard={"max_rejected": "50%"})
    first = engine.sync()
    assert first.records["rejected"] == 2
    engine.server.change(reject=[])
    newer = {"loan_000001": {"payment_status": "paid in full"}}
    write_ndjson(engine.home / "loans.ndjson", newer)
    assert engine.sync().exit_code == 0
    replayed = engine.run("replay", "--json", first.report["run_id"])
    assert (replayed.exit_code, replayed.records) == (0, {"read": 1, "updated": 1}), replayed.err
    assert engine.server.state() == loans | newer
    assert engine.run("replay", "--json", first.report["run_id"]).records == {}


def test_a_replay_is_not_held_to_the_size_of_the_source(make_engine: MakeEngine) -> None:
    engine = make_engine(reject=["loan_000001"])
    prepared(engine, 10)
    engine.configure(guard={"max_rejected": "50%", "min_records": 10, "max_shrink": "50%"})
    assert engine.sync().records["rejected"] == 1
    engine.server.change(reject=[])
    replayed = engine.run("replay", "--json")
    assert (replayed.exit_code, replayed.records) == (0, {"read": 1, "updated": 1}), replayed.err


def test_a_truncated_gzip_is_65_and_what_was_acknowledged_stays(make_engine: MakeEngine) -> None:
    import gzip

    engine = make_engine()
    loans = prepared(engine)
    whole = gzip.compress(b"".join(ndjson_line(*pair) + b"\n" for pair in loans.items()))
    (engine.home / "loans.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    engine.configure(source={"path": "loans.ndjson.gz"})
    done = engine.sync()
    assert (done.exit_code, "loans.ndjson.gz" in done.report["message"]) == (65, True)
    assert balanced(done.report["records"])


CANARY = "CANARY-9c1f"


@pytest.mark.parametrize(
    "flags", [{}, {"fault": "503:every=3"}, {"poison": "loan_1"}, {"reject": "loan_1"}, {"fault": "404"}]
)
def test_secrets_and_record_data_stay_where_they_belong(flags: dict[str, Any], make_engine: MakeEngine) -> None:
    engine = make_engine(token=f"token-{CANARY}", **flags)
    values = {"first_name": f"{CANARY} Rao", "phone_number": f"+91{CANARY}", "nested": {"deep": [CANARY]}}
    lines = [ndjson_line(f"loan_{number}", values) for number in range(30)]
    lines += [b'{"id":"bad","data":"' + CANARY.encode() + b'"}', b'{"broken ' + CANARY.encode()]
    (engine.home / "loans.ndjson").write_bytes(b"\n".join(lines))
    engine.configure(upload={"batch_size": 10}, log={"level": "debug"})
    outputs = [engine.run("sync"), engine.run("sync", "--json", "--log-format", "console"), engine.run("status")]
    outputs += [engine.run("check"), engine.run("replay")]
    for done in outputs:
        assert CANARY not in done.out + done.err
    for path in (engine.home / "engine-state").rglob("*"):
        if path.is_file() and path.name not in ("rejected.ndjson", "rejected.csv"):
            assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.nights
@pytest.mark.parametrize(("status", "outcome"), [(500, "rejected"), (409, "rejected")])
@pytest.mark.parametrize("count", [1, 40])
def test_a_record_that_makes_the_server_fail_is_found_though_nothing_else_is_sent(
    status: int, outcome: str, count: int, make_engine: MakeEngine
) -> None:
    engine = make_engine(poison="loan_000007", poison_status=status)
    loans = prepared(engine, 8 if count == 1 else count, batch_size=7 if count == 1 else 10_000, retry_window_s=24.0)
    done = engine.sync()
    assert done.exit_code == 3, done.err
    assert done.records == {"read": len(loans), "updated": len(loans) - 1, outcome: 1}
    assert [reject["id"] for reject in engine.rejects()] == ["loan_000007"]
    assert done.report["requests"]["sent"] <= 30
    assert_true(engine, done, loans)
    again = engine.sync()  # the next night ends the same
    assert (again.exit_code, again.records) == (3, done.records)


@pytest.mark.nights
def test_a_record_that_is_all_that_is_left_of_a_run_is_judged_beside_one_of_an_earlier_process(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(poison="loan_000007", poison_status=500)
    loans = prepared(engine, 8, batch_size=7, retry_window_s=0.0)
    assert engine.sync().exit_code == 75
    engine.configure(upload={"retry_window_s": 24.0})
    done = engine.sync()
    assert (done.exit_code, done.report["resumes"]) == (3, 1)
    assert done.records == {"read": 8, "updated": 7, "rejected": 1}
    assert_true(engine, done, loans)


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_of_the_rate_is_learned_whatever_the_gateway_calls_it(status: int, make_engine: MakeEngine) -> None:
    engine = make_engine(rate=20, burst=2, rate_status=status, retry_after="none")
    loans = prepared(engine, 5_000, concurrency=8, requests_per_second=200.0)
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 5_000, "updated": 5_000}), done.err
    requests = done.report["requests"]
    assert requests["throttled"] > 0
    assert requests["sent"] <= 1.6 * 5_000 / CHUNK
    assert f"{requests['throttled']} throttled" in engine.run("status", done.report["run_id"]).out
    assert_true(engine, done, loans)
