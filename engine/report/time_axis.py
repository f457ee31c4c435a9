"""The axis that all panels of a run share: seconds of work, and beside them the time of day at which they were worked.

A run that was resumed has a break in its times of day, and none in its time worked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from math import ceil, floor

from msgspec import Struct

from engine.report.measured import ProcessStart
from engine.report.report import Report

CHARACTER = 2.65
"""The width of a character on a phone (390 pixels), in percent of that of a panel."""

CHARACTER_WIDE = 1.5
"""The same on the smallest screen that is no phone any more (600 pixels)."""

BREAK_S_MIN = 1.0
"""Shorter breaks between processes are not worth a word."""

_TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)

_SIDE = {"begin": 0.0, "": 0.5, "end": 1.0}


class Tick(Struct, frozen=True):
    """Words at a place of the axis, `left` percent of the width from its beginning."""

    left: float
    words: str

    @property
    def side(self) -> str:
        """Which side of the words stands there: their middle (empty), or, near an edge, their `begin` or `end`."""
        return "end" if self.left > 100 - self._width / 2 else "begin" if self.left < self._width / 2 else ""

    @property
    def extent(self) -> tuple[float, float]:
        """From where to where its words reach on a phone, in percent of the width, with a space behind them."""
        begin = self.left - _SIDE[self.side] * self._width
        return begin, begin + self._width

    @property
    def _width(self) -> float:
        return CHARACTER * (len(self.words) + 1)


class Break(Struct, frozen=True):
    """Between two processes of a run nobody worked, for `lasted_s` seconds; the first `t_s` seconds were done."""

    t_s: float
    since: datetime
    until: datetime
    waited_s: float
    """How much of it the second process has waited for the end of a silence."""

    @property
    def lasted_s(self) -> float:
        """From the end of one process to the work of the next, in seconds; never negative, though clocks are moved."""
        return max(0.0, (self.until - self.since).total_seconds())


class TimeAxis:
    """Ends after `end_s` seconds of work. Times of day are in `zone`, by default that of this machine."""

    def __init__(self, processes: Sequence[ProcessStart], end_s: float, zone: tzinfo | None = None) -> None:
        self.end_s = end_s
        self._starts = [
            (process, at.astimezone(zone)) for process in processes if (at := _moment(process.at)) is not None
        ]

    @classmethod
    def of(cls, report: Report, end_s: float, zone: tzinfo | None = None) -> TimeAxis:
        """Return the axis of `report`; an old one does not list its processes, and is known if there was only one."""
        alone = [ProcessStart(0.0, report.started_at)] if not report.resumes else []
        return cls(report.processes or alone, end_s, zone)

    @property
    def zone(self) -> str:
        """The name of the zone, such as `IST`, `CET`, `+0530`; empty if no time of day is known."""
        if not self._starts:
            return ""
        at = self._starts[0][1]
        return at.strftime("%Z") or at.strftime("%z")

    def moment(self, t_s: float, *, ends: bool = False) -> datetime | None:
        """Return the time of day after `t_s` seconds of work; None if it is not known.

        Where one process ended and another began, it is the beginning, or, for what `ends` then, the end.
        """
        known = [
            (process, at) for process, at in self._starts if process.t_s < t_s or (process.t_s == t_s and not ends)
        ]
        return known[-1][1] + timedelta(seconds=t_s - known[-1][0].t_s) if known else None

    def said(self, t_s: float, *, ends: bool = False) -> str:
        """Return a moment of the run as `02:03:10`, or, if no time of day is known, as `1:10 worked`."""
        at = self.moment(t_s, ends=ends)
        return f"{at:%H:%M:%S}" if at else f"{clock_text(t_s)} worked"

    def breaks(self) -> list[Break]:
        """Return the breaks between the processes, and the wait before the first one."""
        found = []
        first = self._starts[:1]
        for process, at in first:
            if process.waited_s:
                found.append(Break(process.t_s, at - timedelta(seconds=process.waited_s), at, process.waited_s))
        for (earlier, begun), (later, at) in pairwise(self._starts):
            since = begun + timedelta(seconds=later.t_s - earlier.t_s)
            found.append(Break(later.t_s, since, at, later.waited_s))
        return [each for each in found if each.lasted_s >= BREAK_S_MIN]

    def percent(self, t_s: float) -> float:
        """Return where that second of work stands, in percent of the width."""
        return round(100 * min(max(t_s / self.end_s, 0.0), 1.0), 2)

    def ticks(self) -> list[Tick]:
        """Return round seconds of work."""
        step_s = self._step_s(clock_text(self.end_s), spared=1.5)  # the first one stands beside its place
        marks = [(self.percent(step_s * n), clock_text(step_s * n)) for n in range(floor(self.end_s / step_s) + 1)]
        return _apart([Tick(left, words) for left, words in marks])

    def clock_ticks(self) -> list[Tick]:
        """Return the times of day at which processes began, and round ones between them where there is room."""
        step_s, words = self._step_s("00:00"), "%H:%M"
        if step_s < 60:
            step_s, words = self._step_s("00:00:00"), "%H:%M:%S"
        found = [(self.percent(process.t_s), at) for process, at in self._starts]
        for process, at, end_s in self._spans():
            midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
            until_round_s = -(at - midnight).total_seconds() % step_s
            for n in range(floor((end_s - process.t_s - until_round_s) / step_s) + 1):
                after_s = until_round_s + n * step_s
                found.append((self.percent(process.t_s + after_s), at + timedelta(seconds=after_s)))
        return _apart([Tick(left, at.strftime(words)) for left, at in found])

    def _spans(self) -> Iterator[tuple[ProcessStart, datetime, float]]:
        """Give each process, the time of day at which it began, and after how much work it ended."""
        for index, (process, at) in enumerate(self._starts):
            after = self._starts[index + 1 : index + 2]
            yield process, at, after[0][0].t_s if after else self.end_s

    def _step_s(self, words: str, spared: float = 1.0) -> int:
        """Return a round step at which words of this length, `spared` times over, do not touch on a phone."""
        least_s = self.end_s * CHARACTER * (len(words) + 1) * spared / 100
        return next((step_s for step_s in _TICK_STEPS_S if step_s >= least_s), ceil(least_s))


def _apart(ticks: Sequence[Tick]) -> list[Tick]:
    """Return those whose words do not touch, the first ones first, in order of place."""
    kept: list[Tick] = []
    for tick in ticks:
        begin, end = tick.extent
        if all(end <= other.extent[0] or begin >= other.extent[1] for other in kept):
            kept.append(tick)
    return sorted(kept, key=lambda tick: tick.left)


def clock_text(seconds: float) -> str:
    """Return a length of work as `0:00`, `12:30`, `1:02:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
