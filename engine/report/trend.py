"""How nights go on from one to the next: which of them compare, what is usual, which reasons are new or grow. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from statistics import median

from msgspec import Struct

from engine.report.formatting import local
from engine.report.history import Night
from engine.report.nightly import missed_nights
from engine.report.report import Report

NIGHTS_MAX = 30
"""So many nights are looked at."""

REASONS_MAX = 20
"""The most reasons that are called new or growing, the most frequent ones."""

USUAL_JUDGED_FROM = 3
"""Fewer nights say nothing about what is usual."""

GROWING_FACTOR = 1.5
"""A reason grows, if it is met so many times as often as usual, and oftener than in any night before."""


class Missed(Struct, frozen=True):
    """A night on which no run has begun, though one usually does; `at` is the local time at which it should have."""

    at: datetime


class ReasonTrend(Struct, frozen=True):
    """A reason for which records were not accepted in the latest night, and how often in those before."""

    outcome: str
    reason: str
    counts: tuple[int | None, ...]
    """In each of the nights, the latest last; None where that is not known."""
    usual: float
    """The median of the complete nights before."""

    @property
    def count(self) -> int:
        """How often in the latest night."""
        return self.counts[-1] or 0

    @property
    def is_new(self) -> bool:
        """Whether none of the nights before has met it."""
        return not any(self.counts[:-1])


class Trend(Struct, frozen=True):
    """The nights of one campaign in which the whole source was to be brought, and those that were missed."""

    campaign_id: str
    entries: tuple[Night | Missed, ...]
    """In order of time, the latest last."""

    @property
    def nights(self) -> list[Night]:
        """Those on which there was a run."""
        return [entry for entry in self.entries if isinstance(entry, Night)]

    @property
    def missed(self) -> list[Missed]:
        """Those on which there was none."""
        return [entry for entry in self.entries if isinstance(entry, Missed)]

    @property
    def before(self) -> list[Report]:
        """The reports of the complete nights before the latest one."""
        return [night.report for night in self.nights[:-1] if night.is_complete and night.report]

    @property
    def alike(self) -> list[Report]:
        """Those of `before` that had as much to send as the latest: everything, or only what had changed."""
        latest = self.nights[-1].report
        return [each for each in self.before if latest is None or sends_all(each) is sends_all(latest)]

    def usual(self, value: Callable[[Report], float | None], *, of_alike: bool = False) -> float | None:
        """Return the median of a value over the complete nights before the latest; None if there are too few.

        With `of_alike`, only those nights count that had as much to send.
        """
        known = [each for each in map(value, self.alike if of_alike else self.before) if each is not None]
        return median(known) if len(known) >= USUAL_JUDGED_FROM else None

    def reasons(self) -> list[ReasonTrend]:
        """Return the reasons of the latest night that are new or growing, the most frequent first."""
        latest = self.nights[-1].report
        if latest is None or not self.before:
            return []
        found = [self._reason(each.outcome, each.reason) for each in latest.reasons]
        told = [each for each in found if each.is_new or _grows(each)]
        return sorted(told, key=lambda each: (-each.count, each.outcome, each.reason))[:REASONS_MAX]

    def _reason(self, outcome: str, reason: str) -> ReasonTrend:
        counts = tuple(_count_of(night, outcome, reason) for night in self.nights)
        before = [count or 0 for count, night in zip(counts[:-1], self.nights[:-1], strict=True) if night.is_complete]
        return ReasonTrend(outcome, reason, counts, median(before))


def sends_all(report: Report) -> bool:
    """Whether a run sends every record, not only those that have changed."""
    return report.delta.mode == "off" or report.delta.full


def kind_of(trend: Trend) -> str:
    """Return `full` or `delta`: which nights the latest one is like, where it matters how much there was to send."""
    latest = trend.nights[-1].report
    return "full" if latest is None or sends_all(latest) else "delta"


def _grows(reason: ReasonTrend) -> bool:
    most = max((count for count in reason.counts[:-1] if count is not None), default=0)
    return reason.count > most and reason.count >= GROWING_FACTOR * reason.usual


def _count_of(night: Night, outcome: str, reason: str) -> int | None:
    if night.report is None or not night.counted:
        return None
    return sum(each.count for each in night.report.reasons if (each.outcome, each.reason) == (outcome, reason))


def trends(found: Sequence[Night], zone: tzinfo | None = None, now: datetime | None = None) -> list[Trend]:
    """Return the trend of each campaign, that of the latest run first.

    `found` are in order of time. With `now`, it is judged as well whether tonight's run has not begun.
    """
    of_all = [night for night in found if night.is_of_all]
    latest_campaign = next((night.report.campaign_id for night in reversed(of_all) if night.report), "")
    groups: dict[str, list[Night]] = {}
    for night in reversed(of_all):
        groups.setdefault(night.report.campaign_id if night.report else latest_campaign, []).append(night)
    return [
        Trend(campaign_id, _with_missed(list(reversed(nights[:NIGHTS_MAX])), zone, now))
        for campaign_id, nights in groups.items()
    ]


def _with_missed(nights: Sequence[Night], zone: tzinfo | None, now: datetime | None) -> tuple[Night | Missed, ...]:
    """Return the nights with those that were missed between them, the latest `NIGHTS_MAX`."""
    begun = [(local(night.begun_at, zone), night) for night in nights]
    ended = [local(night.report.finished_at, zone) for night in nights if night.report and night.report.resumes]
    known = sorted(moment for moment in (*(moment for moment, _ in begun), *ended) if moment is not None)
    missed = [Missed(moment) for moment in missed_nights(known, now)]
    entries: list[Night | Missed] = []
    for moment, night in begun:
        while missed and moment is not None and missed[0].at < moment:
            entries.append(missed.pop(0))
        entries.append(night)
    return tuple([*entries, *missed][-NIGHTS_MAX:])
