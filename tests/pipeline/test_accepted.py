"""Refused at the start, in the middle, for one record or for all: what is borne, what is tried, what ends the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson
import pytest

from engine.api.wire import Reply
from engine.pacing.turnstile import TurnRefused
from engine.pipeline.accepted import Accepted
from engine.values.errors import AccessRefused, Interrupted, NotTheApi
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, chunk_of, updated
from tests.pipeline.senders import REQUEST, SETTLED, TOKEN_REFUSED, FakeSender
from tests.pipeline.uploads import IDS, Upload, rejected
from tests.simulation.virtual_time import VirtualLoop, run

PAGE = b"<html><body>400 Bad Request</body></html>"


def after_a_success(
    *answers: Reply, then: Callable[[Sequence[str]], Reply] = updated, tokens: Sequence[str] = "t"
) -> Upload:
    """A chunk that comes to these answers, and then to others, after another one has been updated."""
    api = FakeBulkApi(updated(["first"]), *answers, behaviour=then, tokens=tokens)
    return Upload(api, chunk_of("first"), chunk_of(*IDS, seq=1))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_was_refused_at_the_start_is_read_again(status: int) -> None:
    done = Upload(FakeBulkApi(Reply(status), tokens=["old", "new"]), chunk_of(*IDS))
    assert (done.error, done.outcomes(), len(done.api.sent)) == (None, {}, 2)


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize(("tokens", "requests"), [(["old"], 1), (["old", "new"], 2)])
def test_one_that_stays_refused_ends_the_run_at_once(status: int, tokens: list[str], requests: int) -> None:
    done = Upload(FakeBulkApi(behaviour=lambda _: Reply(status), tokens=tokens), chunk_of(*IDS))
    assert isinstance(done.error, AccessRefused)
    assert (done.results, len(done.api.sent), done.took_s < 1) == ([], requests, True)


@pytest.mark.parametrize("status", [301, 307, 402, 405, 407, 411, 415, 431, 501])
def test_what_a_person_must_mend_ends_the_run_at_once_whenever_it_comes(status: int) -> None:
    chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(5)]
    done = Upload(FakeBulkApi(behaviour=lambda _: Reply(status)), *chunks, workers=2)
    assert isinstance(done.error, AccessRefused)
    assert (done.results, len(done.api.sent) <= 2) == ([], True)
    later = after_a_success(then=lambda _: Reply(status))
    assert isinstance(later.error, AccessRefused)
    assert len(later.api.sent) == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_that_passes_is_no_end(status: int) -> None:
    done = after_a_success(*[Reply(status)] * 5)
    assert (done.error, done.outcomes()) == (None, {})
    assert done.took_s < 31


@pytest.mark.parametrize("status", [401, 404])
def test_one_that_does_not_is_borne_for_half_a_minute(status: int) -> None:
    done = after_a_success(then=lambda _: Reply(status))
    assert isinstance(done.error, AccessRefused)
    assert [len(result.chunk.ids) for result in done.results] == [1]
    assert done.took_s == pytest.approx(30, abs=1)
    assert len(done.api.sent) < 12


def test_forbidden_for_all_records_is_borne_as_long_and_blames_none() -> None:
    done = after_a_success(then=lambda _: Reply(403))
    assert isinstance(done.error, AccessRefused)
    assert done.outcomes() == {}
    assert done.took_s == pytest.approx(30, abs=1)
    assert len(done.api.sent) <= 20


def test_a_token_that_comes_while_a_refusal_is_borne_is_used_at_the_next_attempt() -> None:
    done = after_a_success(*[Reply(401)] * 2, tokens=["old", "new", "newer"])
    assert (done.error, done.outcomes(), len(done.api.sent)) == (None, {}, 4)


@pytest.mark.parametrize("bad", [["loan_0"], ["loan_9"], ["loan_3", "loan_4"], ["loan_0", "loan_5", "loan_9"]])
def test_a_record_that_a_firewall_dislikes_is_found(bad: list[str]) -> None:
    done = after_a_success(then=lambda ids: updated(ids) if set(bad).isdisjoint(ids) else Reply(403, {}, b"<html>"))
    assert (done.error, done.outcomes()) == (None, rejected(*bad))
    assert {failure.reason for failure in done.failures().values()} == {"HTTP 403, and others pass"}
    assert {failure.http_status for failure in done.failures().values()} == {403}


@pytest.mark.parametrize("status", [400, 418, 422])
@pytest.mark.parametrize("workers", [1, 8])
def test_a_gateway_in_the_place_of_the_api_is_found_out_and_no_record_blamed(status: int, workers: int) -> None:
    chunks = [chunk_of(*[f"loan_{seq}_{number}" for number in range(4)], seq=seq) for seq in range(30)]
    done = Upload(FakeBulkApi(behaviour=lambda _: Reply(status, {}, PAGE)), *chunks, workers=workers)
    assert isinstance(done.error, NotTheApi)
    assert done.results == []
    assert len(done.api.sent) <= 20


def test_a_firewall_that_dislikes_a_record_of_the_very_first_request_is_no_reason_to_stop() -> None:
    def firewall(ids: Sequence[str]) -> Reply:
        return Reply(400, {}, PAGE) if "loan_0" in ids else updated(ids)

    for ids in (IDS, IDS[:2]):
        done = Upload(FakeBulkApi(behaviour=firewall), chunk_of(*ids))
        assert (done.error, done.outcomes()) == (None, rejected("loan_0"))


@pytest.mark.parametrize(
    "odd", [Reply(202, {}, b'{"jobId":7}'), Reply(204), Reply(200, {}, PAGE), Reply(200, {}, b"OK")]
)
@pytest.mark.parametrize("workers", [1, 8])
def test_success_in_no_documented_form_ends_the_run_after_two_alike(odd: Reply, workers: int) -> None:
    chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(30)]
    done = Upload(FakeBulkApi(behaviour=lambda _: odd), *chunks, workers=workers)
    assert isinstance(done.error, NotTheApi)
    assert (done.results, done.took_s < 5) == ([], True)
    assert len(done.api.sent) <= 1 + workers


def test_records_whose_turn_has_not_come_are_sent_alone_until_all_had_theirs() -> None:
    def two_at_a_time(ids: Sequence[str]) -> Reply:
        late = [{"id": id_, "status": 429, "error": "too many"} for id_ in ids[2:]]
        counts = {"total": len(ids), "successful": len(ids) - len(late), "failed": len(late), "errors": late}
        return Reply(207, {}, orjson.dumps({"success": not late, "results": counts})) if late else updated(ids)

    done = Upload(FakeBulkApi(behaviour=two_at_a_time), chunk_of(*IDS))
    assert (done.error, done.outcomes()) == (None, {})
    assert done.api.sent == [IDS, IDS[2:], IDS[4:], IDS[6:], IDS[8:]]
    assert done.requests.throttled == 4


def test_a_stop_ends_the_patience_and_nothing_more_is_sent() -> None:
    sender, stop, loop = FakeSender(SETTLED, TOKEN_REFUSED), Stop(), VirtualLoop()
    loop.call_later(5, stop.request, Interrupted("SIGTERM"))

    async def work() -> None:
        accepted = Accepted(sender, lambda _: False, stop)
        assert await accepted.send(REQUEST) == SETTLED
        with pytest.raises(TurnRefused):
            await accepted.send(REQUEST)

    run(work(), loop)
    assert (str(stop.error), len(sender.sent)) == ("SIGTERM", 4)  # at once, after 1 s, after 3 s
    assert loop.time() == pytest.approx(5, abs=0.01)
