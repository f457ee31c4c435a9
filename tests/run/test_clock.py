"""The times of a run: all its processes together without the pauses, and the deadline that no clock jump moves."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import datetime, time as time_of_day
from math import inf
from zoneinfo import ZoneInfo

import pytest

from engine.run.clock import Deadline, WorkClock, seconds_until
from engine.values.errors import ExitCode
from tests.simulation.virtual_time import VirtualLoop, run


def test_it_starts_when_it_is_made_and_adds_what_was_worked_before() -> None:
    async def work() -> None:
        await asyncio.sleep(100)
        clock = WorkClock(before_s=40.0)
        assert (clock.elapsed_s, clock.worked_s) == (0, 40)
        await asyncio.sleep(3)
        assert clock.elapsed_s == pytest.approx(3, abs=0.001)
        assert clock.worked_s == pytest.approx(43, abs=0.001)

    run(work(), VirtualLoop())


def test_a_moment_of_the_loop_is_told_in_time_worked() -> None:
    async def work() -> None:
        await asyncio.sleep(100)
        clock = WorkClock(before_s=40.0)
        assert clock.now() == asyncio.get_running_loop().time()
        assert clock.worked_at(clock.now() + 7) == 47

    run(work(), VirtualLoop())


@pytest.fixture(params=["Asia/Kolkata", "Europe/Vienna", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    monkeypatch.setitem(os.environ, "TZ", request.param)
    time.tzset()
    yield ZoneInfo(request.param)
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("now", "at", "seconds"),
    [
        ((2026, 11, 23, 2, 0, 0), (6, 30), 4.5 * 3600),
        ((2026, 11, 23, 23, 0, 0), (6, 30), 7.5 * 3600),
        ((2026, 11, 23, 6, 30, 0), (6, 30), 24 * 3600),
        ((2026, 11, 23, 6, 29, 59), (6, 30), 1),
        ((2026, 12, 31, 23, 59, 0), (0, 0), 60),
    ],
)
def test_the_next_time_the_clock_shows_it(
    zone: ZoneInfo, now: tuple[int, ...], at: tuple[int, int], seconds: float
) -> None:
    moment = datetime(*now, tzinfo=zone)  # type: ignore[misc, arg-type]  # year to second
    assert seconds_until(time_of_day(*at), moment) == seconds


@pytest.mark.parametrize(("date", "hours"), [((2026, 3, 29), 5.5), ((2026, 10, 25), 7.5), ((2026, 5, 5), 6.5)])
def test_a_night_in_which_the_clock_is_changed(
    date: tuple[int, int, int], hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TZ", "Europe/Vienna")
    time.tzset()
    midnight = datetime(*date, tzinfo=ZoneInfo("Europe/Vienna"))
    assert seconds_until(time_of_day(6, 30), midnight) == hours * 3600
    monkeypatch.undo()
    time.tzset()


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_left_runs_with_the_monotonic_clock_alone() -> None:
    clock = Clock()
    now = datetime(2026, 11, 23, 2, 0).astimezone()
    deadline = Deadline(time_of_day(6, 30), clock, now)
    assert deadline.left_s() == 4.5 * 3600
    clock.now += 3600
    assert deadline.left_s() == 3.5 * 3600
    clock.now += 4 * 3600
    assert deadline.left_s() == -1800
    assert deadline.passed().exit_code == ExitCode.INTERRUPTED
    assert "06:30" in str(deadline.passed())


def test_without_a_deadline_there_is_all_the_time() -> None:
    deadline = Deadline(None, Clock())
    assert deadline.left_s() == inf
    assert deadline.forecast(1e9) is None


def test_a_run_that_will_be_late_is_told_once() -> None:
    now = datetime(2026, 11, 23, 6, 0).astimezone()
    deadline = Deadline(time_of_day(6, 30), Clock(), now)
    assert deadline.forecast(1800) is None
    assert deadline.forecast(3600) == "at this pace the run ends 30 min after its deadline 06:30"
    assert [deadline.warn_once() for _ in range(3)] == [True, False, False]
