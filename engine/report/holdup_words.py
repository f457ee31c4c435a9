"""What held a run up, in words: the names of the bands on its charts, and the list beneath them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from engine.report.formatting import seconds_text
from engine.report.holdups import HOLDUP_WORDS, Holdup
from engine.report.time_axis import CHARACTER, CHARACTER_WIDE, Break, TimeAxis

TOLD_ALONE_MAX = 4
"""So many of a kind are told one by one; more of them at once."""


class Label(Struct, frozen=True):
    """The name of a band, above its beginning or, `ends`, above its end, where `left` is, in percent of the width.

    `is_wide` if a phone has no room for it.
    """

    kind: str
    left: float
    words: str
    ends: bool
    is_wide: bool

    def touches(self, other: Label) -> bool:
        """Whether their words touch on the smallest screen that shows both."""
        is_wide = self.is_wide or other.is_wide
        (begin, end), (other_begin, other_end) = self._extent(is_wide), other._extent(is_wide)
        return begin < other_end and other_begin < end

    def _extent(self, is_wide: bool) -> tuple[float, float]:
        width = (CHARACTER_WIDE if is_wide else CHARACTER) * (len(self.words) + 2)
        return (self.left - width, self.left) if self.ends else (self.left, self.left + width)

    @property
    def has_room(self) -> bool:
        """Whether its words stay within the width."""
        begin, end = self._extent(self.is_wide)
        return begin >= 0 and end <= 100


class HoldupRow(Struct, frozen=True):
    """Something held the run up: its style, its name, when it was, how long it took, and why."""

    kind: str
    name: str
    when: str
    took: str
    why: str


def name_of(kind: str) -> str:
    """Return how a kind is called; one that only another version knows by its own word."""
    return HOLDUP_WORDS.get(kind, (kind, ""))[0]


def labels(holdups: Sequence[Holdup], axis: TimeAxis) -> list[Label]:
    """Return the names of bands above the panels, those of the longest first: what has no room is told below."""
    kept: list[Label] = []
    for each in sorted(holdups, key=lambda each: each.t_s - each.end_s):
        choices = [
            Label(each.kind, axis.percent(at), name_of(each.kind), ends, is_wide)
            for is_wide in (False, True)
            for at, ends in ((each.t_s, False), (each.end_s, True))
        ]
        fit = (label for label in choices if label.has_room and not any(label.touches(other) for other in kept))
        kept += [label for label in [next(fit, None)] if label]
    return sorted(kept, key=lambda label: label.left)


def rows(holdups: Sequence[Holdup], breaks: Sequence[Break], axis: TimeAxis) -> list[HoldupRow]:
    """Return what held the run up, in order of time; where there are many of a kind, all of them at once."""
    by_kind: dict[str, list[Holdup]] = defaultdict(list)
    for each in holdups:
        by_kind[each.kind].append(each)
    found = [
        (each.t_s, _row([each], axis)) for kind in by_kind.values() for each in kind if len(kind) <= TOLD_ALONE_MAX
    ]
    found += [(kind[0].t_s, _row(kind, axis)) for kind in by_kind.values() if len(kind) > TOLD_ALONE_MAX]
    alone = [[each] for each in breaks] if len(breaks) <= TOLD_ALONE_MAX else [breaks]
    found += [(together[0].t_s, _break_row(together)) for together in alone]
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _row(alike: Sequence[Holdup], axis: TimeAxis) -> HoldupRow:
    first, last = alike[0], max(alike, key=lambda each: each.end_s)
    name, why = HOLDUP_WORDS.get(first.kind, (first.kind, ""))
    when = _from_to(axis, first.t_s, last.end_s)
    return HoldupRow(first.kind, name, when, _took(sum(h.times for h in alike), sum(h.held_s for h in alike)), why)


def _break_row(alike: Sequence[Break]) -> HoldupRow:
    lasted_s, waited_s = sum(each.lasted_s for each in alike), sum(each.waited_s for each in alike)
    silence = "for the end of a silence that the API had asked for"
    name, why = "not running", "no process worked on the run"
    if waited_s >= lasted_s - 1:
        name, why = "not before", f"a process waited {silence}"
    elif waited_s:
        why += f"; {seconds_text(waited_s)} of it, one waited {silence}"
    when = _days(alike[0].since, alike[-1].until)
    return HoldupRow("break", name, when, _took(len(alike), lasted_s), why)


def _took(times: int, seconds: float) -> str:
    return f"{times:,} times, {seconds_text(seconds)} in all" if times > 1 else seconds_text(seconds)


def _from_to(axis: TimeAxis, since_s: float, until_s: float) -> str:
    since, until = axis.moment(since_s), axis.moment(until_s, ends=True)
    return _days(since, until) if since and until else f"{axis.said(since_s)} to {axis.said(until_s, ends=True)}"


def _days(since: datetime, until: datetime) -> str:
    """Return a stretch of time as `02:00:10 to 02:00:40`, with its days if they are two."""
    if since.date() == until.date():
        return f"{since:%H:%M:%S} to {until:%H:%M:%S}"
    return f"{since:%a %H:%M:%S} to {until:%a %H:%M:%S}"
