"""The deadline: a time of day becomes a moment of the monotonic clock, and says early when it will be missed."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest

from engine.deadline import Deadline, seconds_until
from engine.errors import ExitCode

EVENING = datetime(2026, 11, 23, 22, 0).astimezone()


@pytest.mark.parametrize(
    ("at", "expected_s"),
    [(time(22, 30), 1_800), (time(6, 30), 8.5 * 3600), (time(21, 59), 24 * 3600 - 60), (time(22, 0), 24 * 3600)],
)
def test_it_is_the_next_time_the_clock_shows_it(at: time, expected_s: float) -> None:
    assert seconds_until(at, EVENING) == expected_s


def test_it_follows_the_monotonic_clock_alone() -> None:
    now = [1000.0]
    deadline = Deadline(time(22, 30), lambda: now[0], EVENING)
    now[0] += 1_799
    assert deadline.left_s() == 1
    now[0] += 2
    assert deadline.left_s() == -1
    assert deadline.passed().exit_code is ExitCode.INTERRUPTED
    assert "22:30 (upload.deadline)" in str(deadline.passed())


def test_the_forecast_speaks_only_when_it_will_be_missed() -> None:
    deadline = Deadline(time(22, 30), lambda: 0.0, EVENING)
    assert deadline.forecast(1_800) is None
    assert deadline.forecast(1_800 + 600) == "at this pace the run ends 10 min after its deadline 22:30"
    assert [deadline.warn_once(), deadline.warn_once()] == [True, False]


def test_without_one_there_is_always_time() -> None:
    deadline = Deadline(None, lambda: 0.0)
    assert deadline.left_s() == float("inf")
    assert deadline.forecast(timedelta(days=365).total_seconds()) is None
