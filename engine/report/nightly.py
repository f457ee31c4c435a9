"""Which nights are missing: told from when runs have begun so far, without a schedule. Pure.

A run is usually begun at the same time of day. Each run belongs to the nearest such time, so that neither midnight nor
a run that is a little late matters; a time without a run, between others, was missed. Days of the week on which there
never is a run are none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import pairwise
from statistics import median_low

NIGHTS_JUDGED_FROM = 3
"""Fewer nights say nothing about a schedule."""

FREE_DAYS_JUDGED_FROM = 2
"""A day of the week without a run is a free one, if there were so many of it and never a run."""

LATE = timedelta(hours=2)
"""A run that has not begun so long after its time is missed, though it may come yet."""

_DAY = timedelta(days=1)
_MINUTES_A_DAY = 24 * 60


def missed_nights(begun: Sequence[datetime], until: datetime | None = None) -> list[datetime]:
    """Return when runs should have begun and none has, the earliest first; none, unless they begin nightly.

    `begun` are local times, in order. With `until`, now, it is judged as well what was missed since the last one.
    """
    if len({moment.date() for moment in begun}) < NIGHTS_JUDGED_FROM:
        return []
    usual = usual_time([moment.time() for moment in begun])
    kept = sorted({_night_of(moment, usual) for moment in begun})
    if median_low([later - earlier for earlier, later in pairwise(kept)] or [_DAY * 2]) != _DAY:
        return []
    last = kept[-1] if until is None else max(kept[-1], _last_due(until - LATE, usual))
    every = [kept[0] + n * _DAY for n in range((last - kept[0]).days + 1)]
    free = _free_days(kept, every)
    return [_in_zone_of(begun[0], night) for night in every if night not in kept and night.weekday() not in free]


def usual_time(times: Sequence[time]) -> time:
    """Return the time of day that is nearest to all of these, around the clock."""
    minutes = [each.hour * 60 + each.minute for each in times]
    best = min(minutes, key=lambda minute: sum(_apart(minute, other) for other in minutes))
    return time(best // 60, best % 60)


def _apart(one: int, other: int) -> int:
    away = abs(one - other)
    return min(away, _MINUTES_A_DAY - away)


def _night_of(moment: datetime, usual: time) -> datetime:
    """Return the usual time, of whichever day, that is nearest to `moment`, without a zone."""
    wall = moment.replace(tzinfo=None)
    same_day = datetime.combine(wall.date(), usual)
    return min((same_day - _DAY, same_day, same_day + _DAY), key=lambda each: abs(wall - each))


def _last_due(until: datetime, usual: time) -> datetime:
    """Return the usual time of the day of `until`, or that of the day before, if it is still to come."""
    wall = until.replace(tzinfo=None)
    same_day = datetime.combine(wall.date(), usual)
    return same_day if same_day <= wall else same_day - _DAY


def _free_days(kept: Sequence[datetime], every: Sequence[datetime]) -> set[int]:
    worked = {night.weekday() for night in kept}
    days = [night.weekday() for night in every]
    return {day for day in days if day not in worked and days.count(day) >= FREE_DAYS_JUDGED_FROM}


def _in_zone_of(example: datetime, wall: datetime) -> datetime:
    return wall.replace(tzinfo=example.tzinfo)
