"""Whose turn it is, decided without a loop or a clock."""

from __future__ import annotations

import pytest

from benchmarks.aimd import Aimd
from engine.api.headers import Quota
from engine.pacing.limiter import Signal
from engine.pacing.retry import Breaker
from engine.pacing.turns import At, Go, Pace, Turns, WhenOneLeaves


def turns(*, rate: float = 8.0, in_flight: int = 2) -> tuple[Turns, Aimd, Breaker]:
    """A limiter that learns nothing unless it is told, so that every decision can be foretold."""
    limiter, breaker = Aimd(requests_per_second=rate, concurrency=in_flight), Breaker()
    return Turns(limiter, breaker), limiter, breaker


def be_quiet(limiter: Aimd, now: float, seconds: float) -> None:
    limiter.learn(Signal(now, now, 1, failed=True, retry_after_s=seconds))


def test_the_first_goes_and_the_next_follows_at_the_pace() -> None:
    line, _, _ = turns()
    assert line.next(100.0) == Go()
    line.started(100.0)
    assert line.next(100.0) == At(100.125)
    assert line.next(100.1249) == At(100.125)
    assert line.next(100.125) == Go()


def test_to_ask_changes_nothing() -> None:
    line, _, _ = turns()
    assert [line.next(1.0) for _ in range(3)] == [Go()] * 3
    assert line.in_flight == 0


def test_who_is_early_by_less_than_can_be_told_is_on_time() -> None:
    line, _, _ = turns()
    line.started(100.0)
    assert line.next(100.125 - 1e-7) == Go()


def test_when_all_places_are_taken_one_has_to_leave() -> None:
    line, _, _ = turns()
    line.started(100.0)
    line.started(100.125)
    assert line.next(200.0) == WhenOneLeaves()
    line.ended()
    assert line.next(200.0) == Go()


def test_silence_comes_before_everything_else() -> None:
    line, limiter, _ = turns(in_flight=1)
    line.started(100.0)
    be_quiet(limiter, 100.0, 30.0)
    assert line.next(100.0) == At(130.0, is_silence=True)
    assert line.next(129.9) == At(130.0, is_silence=True)
    assert line.next(130.0) == WhenOneLeaves()


def test_in_an_outage_one_probe_is_in_flight() -> None:
    line, _, breaker = turns(in_flight=8)
    for _ in range(Breaker.FAILURES_MAX):
        breaker.failed(100.0, throttled=False)
    assert line.in_flight_max == 1
    assert line.next(100.0) == Go()
    line.started(100.0)
    assert line.next(200.0) == WhenOneLeaves()
    breaker.succeeded()
    assert line.next(200.0) == Go()


def test_the_pace_is_that_of_now_not_of_when_the_last_one_started() -> None:
    line, limiter, _ = turns()
    line.started(100.0)
    limiter.learn(Signal(99.0, 100.05, 1, quota=Quota(10, 20.0)))
    assert line.next(100.1) == At(102.0)


def test_what_the_loop_is_late_is_made_up_for_but_no_more() -> None:
    pace, started_at, now = Pace(), [], 0.0
    for number in range(100):
        now = max(now, pace.due(now, 0.1)) + (0.003 if number % 2 else 0.0)  # every other one late
        pace.started(now, 0.1)
        started_at.append(now)
    assert started_at[-1] == pytest.approx(9.9, abs=0.01)
    pace.started(now + 5.0, 0.1)  # a long pause gives no credit
    assert pace.due(now + 5.0, 0.1) == pytest.approx(now + 5.09)
