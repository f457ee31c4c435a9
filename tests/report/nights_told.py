"""Nights to test with: a run each at 02:00 UTC, one a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from engine.report.history import Night
from engine.report.report import Report
from tests.reports import succeeded_report

FIRST = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
"""A Monday."""


def begun_at(day: int, hours: float = 0) -> datetime:
    """Return 02:00 of so many days after the first one, or so many hours later."""
    return FIRST + timedelta(days=day, hours=hours)


def iso(moment: datetime) -> str:
    """Return a moment as reports write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def report_of(day: int, **changes: Any) -> Report:
    """Return the report of the run of that day, which took ten minutes."""
    begun = begun_at(day)
    times = {"started_at": iso(begun), "finished_at": iso(begun + timedelta(minutes=10)), "duration_s": 600.0}
    return succeeded_report(run_id=f"{begun:%Y%m%dT%H%M%SZ}-{day:06x}", timeline=[], **{**times, **changes})


def night_of(day: int, **changes: Any) -> Night:
    """Return the night of that day, whose report has these changes."""
    report = report_of(day, **changes)
    return Night(run_id=report.run_id, report=report, has_page=True)


def crashed(day: int, **changes: Any) -> Night:
    """Return the night of that day, on which the process was killed."""
    report = report_of(day, **changes)
    return Night(run_id=report.run_id, report=report, crashed=True)
