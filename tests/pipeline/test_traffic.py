"""The stack between workers and API: counted once it has its turn, paced retries included, and one memory for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from engine.api.verdict import Trouble
from engine.api.wire import NoReply, Reply
from engine.pacing.retry import RetryPolicy
from engine.pipeline.sending import Attempt
from engine.pipeline.traffic import Traffic
from engine.values.counts import RequestCounts
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, chunk_of, traffic_of, updated, upload_all
from tests.pipeline.senders import REQUEST
from tests.pipeline.uploads import Upload
from tests.simulation.virtual_time import VirtualLoop, run


def test_retry_after_silences_every_worker() -> None:
    chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(8)]
    api = FakeBulkApi(Reply(429, {"retry-after": "30"}), latency_s=0.001)
    sent_at: list[float] = []
    update = api.update

    async def timed(elements: bytes, campaign_id: str = "") -> Any:
        sent_at.append(asyncio.get_running_loop().time())
        return await update(elements, campaign_id)

    api.update = timed  # type: ignore[method-assign]  # a look from outside
    done = Upload(api, *chunks, workers=2)
    assert done.outcomes() == {}
    assert not [at for at in sent_at if 0.01 < at < 30]
    assert len(sent_at) == 9


@pytest.mark.parametrize("workers", [8, 32])
def test_after_an_outage_the_rate_is_back_within_ten_seconds(workers: int) -> None:
    loops: list[VirtualLoop] = []

    def answer(ids: Sequence[str]) -> Any:
        return NoReply("refused") if 5 <= loops[0].time() < 65 else updated(ids)

    api = FakeBulkApi(behaviour=answer, latency_s=0.1)
    finished: list[Attempt] = []

    async def work() -> None:
        stop = Stop()
        traffic = traffic_of(stop, workers=workers)
        chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(workers * 10 * 40)]
        traffic.observers.append(finished.append)
        await upload_all(chunks, api, traffic, workers=workers)
        assert traffic.availability.retries < 20 + 60 / 4 + 2 * workers  # no storm either

    loops.append(VirtualLoop())
    run(work(), loops[0])
    in_outage = [signal for signal in finished if 15 <= signal.finished_at < 65]
    assert len(in_outage) < 20
    after = [signal for signal in finished if 75 <= signal.finished_at < 80]
    assert len(after) >= 0.95 * 5 * workers * 10


def one_at_a_time(look: Callable[[Traffic], Awaitable[None]], *, rate: float = 1_000.0) -> None:
    """Look at traffic in virtual time, with one request in flight at the most, and retries as soon as they may go."""

    async def work() -> None:
        await look(traffic_of(Stop(), workers=1, rate=rate, policy=RetryPolicy(first_delay_s=0.0)))

    run(work(), VirtualLoop())


def test_a_request_is_counted_only_once_it_has_its_turn() -> None:
    async def look(traffic: Traffic) -> None:
        stack = traffic.over(FakeBulkApi(latency_s=1.0))
        both = asyncio.gather(stack.settle(REQUEST), stack.settle(REQUEST))
        await asyncio.sleep(0.5)
        assert traffic.requests == RequestCounts(sent=1)
        await asyncio.sleep(1)
        assert traffic.requests == RequestCounts(sent=2, succeeded=1)
        await both

    one_at_a_time(look)


def test_retries_pass_the_turnstile_too() -> None:
    async def look(traffic: Traffic) -> None:
        started: list[float] = []
        traffic.observers.append(lambda attempt: started.append(attempt.started_at))
        await traffic.over(FakeBulkApi(*[NoReply("reset")] * 3)).settle(REQUEST)
        assert started == [pytest.approx(number * 2.0, abs=0.3) for number in range(4)]  # though no delay is due

    one_at_a_time(look, rate=0.5)


def test_who_waits_to_retry_is_in_nobodys_way() -> None:
    async def look(traffic: Traffic) -> None:
        retrying = asyncio.ensure_future(traffic.over(throttles_for(60)).settle(REQUEST))
        await asyncio.sleep(0.5)
        assert traffic.availability.retries == 1
        assert traffic.turnstile.in_flight == 0
        retrying.cancel()

    one_at_a_time(look)


def test_the_limiter_learns_from_every_attempt() -> None:
    async def look(traffic: Traffic) -> None:
        retrying = asyncio.ensure_future(traffic.over(throttles_for(60)).settle(REQUEST))
        await asyncio.sleep(0.5)
        assert traffic.limiter.quiet_until == pytest.approx(60, abs=0.01)
        retrying.cancel()

    one_at_a_time(look)


def throttles_for(seconds: int) -> FakeBulkApi:
    """An API that asks for silence once."""
    return FakeBulkApi(Reply(429, {"retry-after": str(seconds)}))


def test_observers_hear_of_every_attempt_after_it_is_known_whether_the_api_is_there() -> None:
    async def look(traffic: Traffic) -> None:
        heard: list[tuple[object, float]] = []
        traffic.observers.append(lambda attempt: heard.append((attempt.answer.trouble, traffic.availability.outage_s)))
        await traffic.over(FakeBulkApi(Reply(503), NoReply("reset"), latency_s=1.0)).settle(REQUEST)
        assert [trouble for trouble, _ in heard] == [Trouble.OUTAGE, Trouble.OUTAGE, None]
        assert [outage_s for _, outage_s in heard] == [0.0, pytest.approx(1.0, abs=0.1), 0.0]

    one_at_a_time(look)


def test_who_comes_later_hears_of_what_goes_the_ways_that_are_there_already() -> None:
    async def look(traffic: Traffic) -> None:
        stack = traffic.over(FakeBulkApi())
        heard: list[Attempt] = []
        traffic.observers.append(heard.append)
        await stack.settle(REQUEST)
        assert [attempt.request for attempt in heard] == [REQUEST]

    one_at_a_time(look)


def test_a_token_is_renewed_by_the_api_that_refused_it() -> None:
    async def look(traffic: Traffic) -> None:
        api = FakeBulkApi(Reply(401), tokens=["old", "new"])
        await traffic.over(api).settle(REQUEST)
        assert api.sent == [["a", "b"]] * 2

    one_at_a_time(look)


async def test_counts_go_on_from_earlier_processes_which_keep_theirs() -> None:
    earlier = RequestCounts(sent=5, succeeded=3, failed=2)
    limiter = traffic_of(Stop()).limiter
    traffic = Traffic(limiter=limiter, policy=RetryPolicy(), stop=Stop(), requests=earlier)
    await traffic.over(FakeBulkApi()).settle(REQUEST)
    assert traffic.requests == RequestCounts(sent=6, succeeded=4, failed=2)
    assert earlier.sent == 5
