"""One request: read for what it proves, counted once and told to whoever listens, and never before its turn."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf

import pytest
from msgspec import structs

from engine.api.verdict import Settled, Trouble, TryAgain
from engine.api.wire import NoReply, Reply
from engine.pacing.turnstile import TurnRefused
from engine.pipeline.late_copies import LateCopies
from engine.pipeline.sending import Answer, Attempt, Observed, Paced, Proven
from engine.values import Failure, Outcome
from engine.values.counts import RequestCounts
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, results, traffic_of
from tests.pipeline.senders import (
    CONTRADICTION,
    FATAL,
    OUTAGE,
    REFUSED_WHOLE,
    REQUEST,
    SETTLED,
    THROTTLED,
    UNPROVEN,
    FakeSender,
    answer,
    attempt,
)
from tests.simulation.virtual_time import VirtualLoop, run


async def test_the_lines_go_out_as_they_are_and_once() -> None:
    api = FakeBulkApi()
    answer = await Proven(api).send(REQUEST)
    assert api.bodies == [REQUEST.elements]
    assert answer.verdict == Settled()


async def test_what_comes_back_is_read_for_the_ids_of_the_request() -> None:
    reply = results(1, 1, [{"id": "b", "error": "bad"}], status=207)
    answer = await Proven(FakeBulkApi(reply)).send(REQUEST)
    assert answer.reply == reply
    assert answer.verdict == Settled((Failure(1, Outcome.REJECTED, "bad", 207),))


@pytest.mark.parametrize("lost", [NoReply("reset"), Reply(503)], ids=str)
async def test_what_is_lost_is_an_answer_too(lost: Reply | NoReply) -> None:
    answer = await Proven(FakeBulkApi(lost)).send(REQUEST)
    assert isinstance(answer.verdict, TryAgain)
    assert answer.verdict.trouble is Trouble.OUTAGE
    assert answer.reply == lost


class Watched:
    """A sender that is observed, and what was told of it."""

    def __init__(self, *answers: Answer | Exception, latency_s: float = 0.0) -> None:
        self.counts = RequestCounts()
        self.told: list[Attempt] = []
        self.in_flight = 1
        self.late_copies = LateCopies(100.0)
        inner = FakeSender(*answers, latency_s=latency_s)
        self.sender = Observed(inner, self.counts, lambda: self.in_flight, [self.told.append], self.late_copies)

    async def send(self) -> Answer:
        return await self.sender.send(REQUEST)


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        (SETTLED, "succeeded"),
        (UNPROVEN, "succeeded"),
        (REFUSED_WHOLE, "failed"),
        (THROTTLED, "throttled"),
        (CONTRADICTION, "failed"),
        (FATAL, "failed"),
    ],
)
async def test_each_request_is_counted_once(given: Answer, counted: str) -> None:
    watched = Watched(given)
    assert await watched.send() is given
    assert watched.counts == replace(RequestCounts(sent=1), **{counted: 1})


async def test_requests_that_isolate_are_counted_as_such() -> None:
    watched = Watched(SETTLED)
    await watched.sender.send(structs.replace(REQUEST, is_split=True))
    assert watched.counts == RequestCounts(sent=1, succeeded=1, split=1)


def test_it_tells_when_and_beside_how_many_it_went() -> None:
    watched = Watched(SETTLED, latency_s=2.0)

    async def work() -> None:
        await asyncio.sleep(10)
        watched.in_flight = 3
        sending = asyncio.ensure_future(watched.send())
        await asyncio.sleep(1)
        watched.in_flight = 7  # what comes later is another matter
        await sending

    run(work(), VirtualLoop())
    [told] = watched.told
    assert (told.request, told.answer, told.in_flight) == (REQUEST, SETTLED, 3)
    assert (told.started_at, told.finished_at) == pytest.approx((10, 12), abs=0.001)


def test_a_request_counts_as_soon_as_it_goes() -> None:
    watched = Watched(SETTLED, latency_s=2.0)

    async def work() -> None:
        sending = asyncio.ensure_future(watched.send())
        await asyncio.sleep(1)
        assert watched.counts == RequestCounts(sent=1)
        await sending

    run(work(), VirtualLoop())


def test_a_cancelled_request_counts_as_failed_and_nobody_hears_of_it() -> None:
    watched = Watched(SETTLED, latency_s=2.0)

    async def work() -> None:
        sending = asyncio.ensure_future(watched.send())
        await asyncio.sleep(1)
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()

    run(work(), VirtualLoop())
    assert watched.counts == RequestCounts(sent=1, failed=1, in_doubt=1)
    assert watched.told == []
    assert watched.late_copies.until(0) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("reply", "may_land"),
    [
        (NoReply("reset"), True),
        (NoReply("the connection was refused", may_land=False), False),
        (Reply(502), True),
        (Reply(504), True),
        (Reply(503), False),
        (Reply(500), False),
    ],
    ids=str,
)
def test_what_may_still_land_is_remembered(reply: Reply | NoReply, may_land: bool) -> None:
    watched = Watched(Answer(reply, TryAgain("lost", Trouble.OUTAGE)), latency_s=2.0)

    async def work() -> None:
        await asyncio.sleep(10)
        await watched.sender.send(structs.replace(REQUEST, seq=7))

    run(work(), VirtualLoop())
    assert watched.counts == RequestCounts(sent=1, failed=1, in_doubt=int(may_land))
    assert watched.late_copies.until(7) == (pytest.approx(110, abs=0.01) if may_land else -inf)


async def test_a_bug_counts_as_failed_and_comes_out() -> None:
    watched = Watched(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await watched.send()
    assert watched.counts == RequestCounts(sent=1, failed=1, in_doubt=1)
    assert watched.told == []


@pytest.mark.parametrize(
    ("given", "trouble"),
    [
        (SETTLED, None),
        (REFUSED_WHOLE, None),
        (FATAL, None),
        (THROTTLED, Trouble.THROTTLED),
        (OUTAGE, Trouble.OUTAGE),
        (CONTRADICTION, Trouble.CONTRADICTION),
    ],
)
def test_trouble_is_what_the_api_did_not_answer(given: Answer, trouble: Trouble | None) -> None:
    told = attempt(given)
    assert told.answer.trouble is trouble
    assert told.signal.throttled == (trouble is Trouble.THROTTLED)
    assert told.signal.failed == (trouble is Trouble.OUTAGE)


def test_a_signal_holds_what_teaches_the_limits() -> None:
    told = attempt(answer(Settled(retried=4), ratelimit_remaining="5", ratelimit_reset="10"), finished_at=3.0)
    signal = structs.replace(told, in_flight=7).signal
    assert (signal.started_at, signal.finished_at, signal.records, signal.in_flight) == (2.0, 3.0, 2, 7)
    assert signal.conflicts == 4
    assert signal.quota is not None
    assert structs.astuple(signal.quota) == (5, 10.0)


def test_a_quota_until_a_date_is_measured_against_the_date_of_its_reply() -> None:
    date, reset = "Mon, 23 Nov 2026 02:00:00 GMT", "1795399260"
    signal = attempt(answer(Settled(), date=date, ratelimit_remaining="5", ratelimit_reset=reset)).signal
    assert signal.quota is not None
    assert structs.astuple(signal.quota) == (5, 60.0)


@pytest.mark.parametrize("given", [UNPROVEN, REFUSED_WHOLE, THROTTLED, OUTAGE, FATAL])
def test_only_what_was_settled_tells_of_conflicts(given: Answer) -> None:
    assert attempt(given).signal.conflicts == 0


def test_a_wait_is_asked_for_only_by_a_reply_that_settles_nothing() -> None:
    throttled = TryAgain("HTTP 429", Trouble.THROTTLED, 429)
    assert attempt(answer(throttled, 429, retry_after="30")).signal.retry_after_s == 30
    assert attempt(answer(Settled(), retry_after="30")).signal.retry_after_s is None
    assert attempt(OUTAGE).signal.retry_after_s is None


class Road:
    """A sender behind the turnstile. Needs a running loop."""

    def __init__(self, given: Answer | Exception = SETTLED, *, workers: int = 1) -> None:
        self.stop = Stop()
        self.turnstile = traffic_of(self.stop, workers=workers).turnstile
        self.inner = FakeSender(given, latency_s=1.0)
        self.sender = Paced(self.inner, self.turnstile)


def test_a_request_waits_until_it_may_go() -> None:
    async def work() -> None:
        road = Road(workers=1)
        both = [asyncio.ensure_future(road.sender.send(REQUEST)) for _ in range(2)]
        await asyncio.sleep(0.5)
        assert (len(road.inner.sent), road.turnstile.in_flight) == (1, 1)
        await asyncio.sleep(1)
        assert (len(road.inner.sent), road.turnstile.in_flight) == (2, 1)
        assert await asyncio.gather(*both) == [SETTLED, SETTLED]
        assert road.turnstile.in_flight == 0

    run(work(), VirtualLoop())


def test_when_the_run_stops_what_waits_is_not_sent() -> None:
    async def work() -> None:
        road = Road(workers=1)
        first, second = [asyncio.ensure_future(road.sender.send(REQUEST)) for _ in range(2)]
        await asyncio.sleep(0.5)
        road.stop.request(Interrupted("SIGTERM"))
        with pytest.raises(TurnRefused):
            await second
        assert await first is SETTLED  # it was on its way
        assert len(road.inner.sent) == 1

    run(work(), VirtualLoop())


def test_a_turn_ends_however_the_request_does() -> None:
    async def work() -> None:
        road = Road(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await road.sender.send(REQUEST)
        cancelled = asyncio.ensure_future(road.sender.send(REQUEST))
        await asyncio.sleep(0.5)
        assert road.turnstile.in_flight == 1
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert road.turnstile.in_flight == 0

    run(work(), VirtualLoop())
