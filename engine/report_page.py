"""The report page (being written)."""

from __future__ import annotations

from engine.report import Report


def render(report: Report, previous: Report | None = None) -> str:
    """Return the page as HTML."""
    return f"<!doctype html><title>{report.run_id}</title>\n"
