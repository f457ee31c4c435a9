"""The same bytes again, until something is proven: outages are waited out, tokens renewed, or the run stops."""

from __future__ import annotations

import pytest

from engine.api.wire import NoReply, Reply
from engine.pacing.retry import RetryPolicy
from engine.values.errors import AccessRefused, Interrupted
from tests.fakes import FakeBulkApi, chunk_of
from tests.pipeline.uploads import IDS, Upload

LOST = [NoReply("reset"), Reply(503), Reply(200, {}, b"<html>"), Reply(429), Reply(200, {}, b""), Reply(500, {}, b"{}")]


@pytest.mark.parametrize("lost", LOST, ids=str)
def test_a_lost_reply_is_answered_with_the_same_bytes(lost: Reply | NoReply) -> None:
    chunk = chunk_of(*IDS)
    done = Upload(FakeBulkApi(lost, lost, lost), chunk)
    assert done.outcomes() == {}
    assert done.api.bodies == [chunk.lines] * 4
    assert done.traffic.availability.retries == 3


def test_an_outage_is_waited_out_and_no_longer_than_allowed() -> None:
    done = Upload(FakeBulkApi(behaviour=lambda _: NoReply("refused")), chunk_of(*IDS), policy=RetryPolicy(window_s=60))
    assert done.results == []
    assert isinstance(done.error, Interrupted)
    assert 40 < done.took_s <= 60.1
    assert len(done.api.sent) < 40  # no storm


def test_a_silence_longer_than_the_deadline_allows_ends_the_run_at_once() -> None:
    throttled = Reply(429, {"retry-after": "300"})
    done = Upload(FakeBulkApi(throttled), chunk_of(*IDS), left_s=200)
    assert isinstance(done.error, Interrupted)
    assert done.took_s < 1
    assert Upload(FakeBulkApi(throttled), chunk_of(*IDS), left_s=400).error is None


def test_the_token_is_read_again_once() -> None:
    done = Upload(FakeBulkApi(Reply(401), tokens=["old", "new"]), chunk_of(*IDS))
    assert done.outcomes() == {}
    assert len(done.api.sent) == 2


@pytest.mark.parametrize(("tokens", "requests"), [(["old"], 1), (["old", "new"], 2)])
def test_a_token_that_stays_refused_stops_the_run_and_rejects_nothing(tokens: list[str], requests: int) -> None:
    done = Upload(FakeBulkApi(behaviour=lambda _: Reply(401), tokens=tokens), chunk_of(*IDS))
    assert isinstance(done.error, AccessRefused)
    assert done.results == []
    assert len(done.api.sent) == requests


@pytest.mark.parametrize("status", [301, 307, 403, 404])
def test_what_a_person_must_mend_stops_the_run_at_once(status: int) -> None:
    chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(5)]
    done = Upload(FakeBulkApi(behaviour=lambda _: Reply(status)), *chunks, workers=2)
    assert isinstance(done.error, AccessRefused)
    assert done.results == []
    assert len(done.api.sent) <= 2
