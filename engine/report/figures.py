"""What nights are compared by, beside the counts: shares, margins, and how a moment of a night is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

from msgspec import Struct

from engine.report.formatting import local, night_text, rate_text, seconds_text
from engine.report.history import Night
from engine.report.report import Report


class Figure(Struct, frozen=True):
    """A figure of a night: its name, its value (None: not known, or there is none) and how that is written.

    Where it is one `of_alike` nights, it says something only beside nights that had as much to send.
    """

    name: str
    value: Callable[[Report], float | None]
    text: Callable[[float], str]
    of_alike: bool = False


def throttled_share(report: Report) -> float | None:
    """Return which part of the requests was throttled, 0 to 1; None without any request."""
    return report.requests.throttled / report.requests.sent if report.requests.sent else None


def margin_s(report: Report) -> float | None:
    """Return how long before its deadline a run ended, in seconds, negative if it did after it; None without one."""
    ended, deadline = local(report.finished_at), local(report.deadline_at or "")
    return (deadline - ended).total_seconds() if ended and deadline else None


def percent_text(share: float) -> str:
    """Return a share as `0%`, `0.4%`, `12%`."""
    percent = 100 * share
    return f"{percent:.1f}%" if 0 < percent < 9.95 else f"{percent:.0f}%"


def margin_text(seconds: float) -> str:
    """Return a margin as `3 h 53 min before`, `12 s after` (a deadline)."""
    return f"{seconds_text(abs(seconds))} {'before' if seconds >= 0 else 'after'}"


def count_text(count: float) -> str:
    """Return a count, or the median of two."""
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


READ = Figure("Read", lambda report: report.records.read, count_text)
UPDATED = Figure("Updated", lambda report: report.records.updated, count_text, of_alike=True)
UNCHANGED = Figure("Unchanged", lambda report: report.records.unchanged, count_text, of_alike=True)
GONE = Figure("Gone", lambda report: report.gone.found, count_text)
NOT_ACCEPTED = Figure("Not accepted", lambda report: report.not_accepted, count_text)
TOOK = Figure("Time worked", lambda report: report.duration_s, seconds_text, of_alike=True)
MARGIN = Figure("Deadline", margin_s, margin_text, of_alike=True)
RATE = Figure("Sent a second", lambda report: report.records_per_s, rate_text, of_alike=True)
THROTTLED = Figure("Throttled", throttled_share, percent_text, of_alike=True)
LIMIT = Figure(
    "Limit found", lambda report: report.pacing.rate_limit, lambda limit: f"{rate_text(limit)}/s", of_alike=True
)

COMPARED = (READ, UPDATED, NOT_ACCEPTED, TOOK, RATE, THROTTLED, LIMIT, MARGIN)
"""Which figures of the latest night stand beside what is usual."""


def change_text(figure: Figure, value: float, usual: float) -> str:
    """Return how far a value is from what is usual, such as `+12%`; empty where that says nothing."""
    if not usual or figure in (MARGIN, THROTTLED) or round(100 * value / usual) == 100:
        return ""
    percent = 100 * value / usual - 100
    return f"{percent:+,.0f}%" if abs(percent) < 1_000 else f"{value / usual:,.0f} times as much"


def name_of(night: Night, zone: tzinfo | None = None) -> str:
    """Return how a night is named: by when it began, such as `Sat 28 Nov 02:00`, or else by its id."""
    begun = local(night.begun_at, zone)
    return night_text(begun) if begun else night.run_id
