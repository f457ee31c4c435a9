"""Which nights are missing, told from when runs have begun."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time

import pytest

from engine.report.nightly import missed_nights, usual_time
from tests.report.nights_told import begun_at


def days(*wanted: int) -> list[datetime]:
    return [begun_at(day) for day in wanted]


def weekdays_of(weeks: int) -> list[datetime]:
    return days(*(day for day in range(7 * weeks) if day % 7 < 5))


def test_a_night_between_others_on_which_nothing_began_is_missing() -> None:
    assert missed_nights(days(0, 1, 3, 4, 5)) == days(2)
    assert missed_nights(days(0, 1, 2, 5, 6, 7)) == days(3, 4)
    assert missed_nights(days(0, 1, 2, 3)) == []


@pytest.mark.parametrize("begun", [days(), days(0), days(0, 4), days(0, 7, 14, 21), days(0, 2, 4, 6, 8)])
def test_runs_that_are_not_nightly_miss_nothing(begun: list[datetime]) -> None:
    assert missed_nights(begun, begun_at(30)) == []


def test_a_day_of_the_week_that_is_always_free_is_not_missed() -> None:
    assert missed_nights(weekdays_of(3)) == []
    without_a_wednesday = [moment for moment in weekdays_of(3) if moment != begun_at(9)]
    assert missed_nights(without_a_wednesday) == days(9)


def test_tonight_is_missed_once_it_is_late() -> None:
    begun = days(0, 1, 2)
    assert missed_nights(begun, begun_at(3, hours=-1)) == []
    assert missed_nights(begun, begun_at(3, hours=1.9)) == []
    assert missed_nights(begun, begun_at(3, hours=2)) == days(3)
    assert missed_nights(begun, begun_at(5, hours=6)) == days(3, 4, 5)


def shifted(hours: Iterable[float]) -> list[datetime]:
    return [begun_at(day, hours=each) for day, each in enumerate(hours)]


def test_neither_midnight_nor_a_late_start_makes_a_night_missing() -> None:
    around_midnight = shifted([-2.1, -1.9, -2.1, -1.9, -2.05, -1.95])
    assert missed_nights(around_midnight) == []
    assert missed_nights(shifted([0, 0, 9, 0, 0, -8, 0])) == []


def test_two_runs_in_one_night_do_not_stand_for_two() -> None:
    begun = sorted([*days(0, 1, 3, 4), begun_at(1, hours=6)])
    assert missed_nights(begun) == days(2)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([time(2), time(2, 1), time(9)], time(2, 1)),
        ([time(23, 58), time(0, 1), time(23, 59)], time(23, 59)),
        ([time(12)], time(12)),
    ],
)
def test_the_usual_time_is_found_around_the_clock(times: list[time], expected: time) -> None:
    assert usual_time(times) == expected
