"""The turnstile in virtual time: even pacing, silence for all, a ceiling in flight, one probe in an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from engine.pacing.learned.pacer import Pacer
from engine.pacing.retry import Breaker
from engine.pacing.turnstile import TurnRefused, Turnstile
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.simulation.virtual_time import VirtualLoop, run


class Limits(Pacer):
    """Limits that a test sets."""

    quiet_until = 0.0

    def __init__(self, rate: float, in_flight: int) -> None:
        super().__init__(requests_per_second=rate, concurrency=in_flight)
        self.burst = 1.0
        self.now_rate = rate
        self.now_in_flight = in_flight

    def rate(self, now: float) -> float:
        return self.now_rate

    def interval_s(self, now: float) -> float:
        return 1 / self.now_rate

    @property
    def in_flight(self) -> int:
        return self.now_in_flight


class Crowd:
    """Many who want through the turnstile, each for `takes_s`, and when each of them got through."""

    def __init__(self, *, rate: float = 10.0, in_flight: int = 1_000, takes_s: float = 0.0) -> None:
        self.limits = Limits(rate, in_flight)
        self.breaker = Breaker()
        self.stop = Stop()
        self.passed_at: list[float] = []
        self.refused = 0
        self.turnstile: Turnstile
        self._takes_s = takes_s
        self.loop = VirtualLoop()

    def go(self, count: int, meanwhile: Callable[[], Awaitable[None]] | None = None) -> list[float]:
        """Send them all at once; return when they got through."""

        async def work() -> None:
            self.turnstile = Turnstile(self.limits, self.breaker, self.stop)
            other = [asyncio.ensure_future(meanwhile())] if meanwhile else []
            await asyncio.gather(*(self._pass() for _ in range(count)), *other)
            assert self.turnstile.in_flight == 0

        run(work(), self.loop)
        return self.passed_at

    async def _pass(self) -> None:
        try:
            async with self.turnstile.turn():
                self.passed_at.append(self.loop.time())
                await asyncio.sleep(self._takes_s)
        except TurnRefused:
            self.refused += 1


def test_requests_start_evenly_from_the_first_second_on() -> None:
    passed_at = Crowd(rate=10.0).go(50)
    assert passed_at[0] < 0.01
    assert all(later - earlier == pytest.approx(0.1, abs=0.001) for earlier, later in pairwise(passed_at))


@pytest.mark.parametrize("rate", [0.1, 3.0, 1_000.0])
def test_no_window_holds_more_than_its_share(rate: float) -> None:
    passed_at = Crowd(rate=rate).go(40)
    for start in passed_at:
        within = sum(start <= at < start + 10 / rate for at in passed_at)
        assert within <= 11


@pytest.mark.parametrize("requests_per_second", [0.5, 4.0, 10.0, 100.0])
def test_haste_is_bounded_by_the_burst_whatever_the_pacer_wants(requests_per_second: float) -> None:
    """The promise of the turnstile: in `t` seconds, at most `requests_per_second * t` requests and a burst start."""
    crowd = Crowd(rate=requests_per_second)
    crowd.limits.burst = Pacer(requests_per_second=requests_per_second, concurrency=8).burst
    crowd.limits.now_rate = 20 * requests_per_second
    passed_at = crowd.go(60)
    for number, start in enumerate(passed_at):
        for later, end in enumerate(passed_at[number:], 1):
            assert later <= requests_per_second * (end - start) + crowd.limits.burst + 0.01
    assert crowd.limits.burst <= max(1.0, min(6.0, 0.6 * requests_per_second))
    assert passed_at[-1] == pytest.approx((60 - crowd.limits.burst) / requests_per_second, rel=0.02)  # and no slower


def test_a_rate_that_keeps_moving_lets_no_extra_request_through() -> None:
    crowd = Crowd(rate=10.0)

    async def wobble() -> None:
        for step in range(400):
            crowd.limits.now_rate = 10.0 + (step % 2) * 0.01
            await asyncio.sleep(0.013)

    passed_at = crowd.go(60, wobble)
    assert all(later - earlier > 0.099 for earlier, later in pairwise(passed_at))


def test_a_new_rate_holds_from_the_next_request_on() -> None:
    crowd = Crowd(rate=10.0)

    async def slow_down() -> None:
        await asyncio.sleep(1.05)
        crowd.limits.now_rate = 2.0

    gaps = [later - earlier for earlier, later in pairwise(crowd.go(20, slow_down))]
    assert gaps[:10] == pytest.approx([0.1] * 10, abs=0.001)
    assert gaps[11:] == pytest.approx([0.5] * 8, abs=0.001)


def test_no_more_in_flight_than_allowed() -> None:
    crowd = Crowd(rate=1_000.0, in_flight=3, takes_s=1.0)
    passed_at = crowd.go(12)
    assert crowd.turnstile.in_flight_peak == 3
    assert passed_at[-1] == pytest.approx(3.0, abs=0.1)


def test_a_ceiling_that_falls_is_kept_by_those_who_come_later() -> None:
    crowd = Crowd(rate=1_000.0, in_flight=4, takes_s=1.0)

    async def fall() -> None:
        await asyncio.sleep(0.5)
        crowd.limits.now_in_flight = 1

    passed_at = crowd.go(8, fall)
    assert [round(at) for at in passed_at] == [0, 0, 0, 0, 1, 2, 3, 4]


def test_a_rate_that_a_reply_raises_counts_at_once() -> None:
    crowd = Crowd(rate=10.0, takes_s=1.0)
    crowd.limits.now_rate = 0.1

    async def raise_rate() -> None:
        await asyncio.sleep(0.9)
        crowd.limits.now_rate = 10.0

    assert crowd.go(3, raise_rate) == pytest.approx([0.0, 1.0, 1.1], abs=0.02)


def test_a_rate_that_stays_low_is_kept_while_replies_come() -> None:
    crowd = Crowd(rate=10.0, takes_s=1.0)
    crowd.limits.now_rate = 0.25
    assert crowd.go(3) == pytest.approx([0.0, 4.0, 8.0], abs=0.02)


def test_silence_is_for_everybody_and_is_accounted() -> None:
    crowd = Crowd(rate=10.0)

    async def hush() -> None:
        await asyncio.sleep(0.95)
        crowd.limits.quiet_until = 31.0

    passed_at = crowd.go(30, hush)
    assert not [at for at in passed_at if 1.0 <= at < 31.0]
    assert len([at for at in passed_at if at < 1.0]) == 10
    assert crowd.turnstile.quiet_s == pytest.approx(30.0, abs=0.2)
    after = [at for at in passed_at if at >= 31.0]
    assert all(later - earlier > 0.099 for earlier, later in pairwise(after))


def test_silence_that_grows_is_kept_to_its_new_end() -> None:
    crowd = Crowd(rate=10.0)
    crowd.limits.quiet_until = 5.0

    async def hush_again() -> None:
        await asyncio.sleep(2)
        crowd.limits.quiet_until = 20.0

    assert min(crowd.go(3, hush_again)) >= 20.0


def test_silence_that_begins_while_the_ceiling_is_waited_for_is_kept() -> None:
    crowd = Crowd(rate=1.0)
    crowd.limits.now_rate = 1_000.0  # so that the ceiling is what bounds it

    async def hush() -> None:
        await asyncio.sleep(1.5)
        crowd.limits.quiet_until = 30.0

    passed_at = crowd.go(6, hush)
    assert len([at for at in passed_at if at <= 1.5]) == 2
    assert min(at for at in passed_at if at > 1.5) >= 30.0


def test_in_an_outage_one_at_a_time_probes() -> None:
    crowd = Crowd(rate=1_000.0, in_flight=8, takes_s=1.0)
    for _ in range(Breaker.FAILURES_MAX):
        crowd.breaker.failed(0.0, throttled=False)

    async def recover() -> None:
        await asyncio.sleep(3.5)
        crowd.breaker.succeeded()

    passed_at = crowd.go(12, recover)
    assert [round(at) for at in passed_at] == [0, 1, 2, 3, *[4] * 8]


@pytest.mark.parametrize("reason", ["rate", "full", "silence", "ceiling"])
def test_a_stop_turns_everybody_away_at_once_whatever_they_wait_for(reason: str) -> None:
    crowd = Crowd(rate=0.01) if reason in ("rate", "ceiling") else Crowd(in_flight=1, takes_s=500.0)
    if reason == "ceiling":
        crowd.limits.now_rate = 1_000.0
    if reason == "silence":
        crowd.limits.quiet_until = 10_000.0

    async def stop() -> None:
        await asyncio.sleep(5)
        crowd.stop.request(Interrupted("SIGTERM"))
        await asyncio.sleep(0.1)
        assert crowd.refused == (100 if reason == "silence" else 99)

    crowd.go(100, stop)


def test_first_come_first_served() -> None:
    order: list[int] = []

    async def work() -> None:
        turnstile = Turnstile(Limits(10.0, 2), Breaker(), Stop())

        async def enter(number: int) -> None:
            async with turnstile.turn():
                order.append(number)
                await asyncio.sleep(0.5)

        await asyncio.gather(*(enter(number) for number in range(20)))

    run(work(), VirtualLoop())
    assert order == list(range(20))


def test_cancelled_at_any_moment_it_blocks_nobody() -> None:
    async def work(cancel_at: float) -> None:
        turnstile = Turnstile(Limits(10.0, 2), Breaker(), Stop())
        passed: list[int] = []

        async def enter(number: int) -> None:
            async with turnstile.turn():
                passed.append(number)
                await asyncio.sleep(0.3)

        tasks = [asyncio.ensure_future(enter(number)) for number in range(8)]
        await asyncio.sleep(cancel_at)
        for task in tasks[1:5]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert {0, 5, 6, 7} <= set(passed)
        assert turnstile.in_flight == 0

    for step in range(60):
        run(work(step * 0.02), VirtualLoop())


@pytest.mark.parametrize("state", ["new", "used"])
def test_it_says_how_it_stands(state: str) -> None:
    crowd = Crowd(rate=10.0, in_flight=7)
    crowd.go(0 if state == "new" else 3)
    assert repr(crowd.turnstile).startswith("<Turnstile 0 in flight of 7")
