"""The words about what of the source was not read. A number that is not exact is called so."""

from __future__ import annotations

from engine.report.formatting import bytes_text, counted
from engine.report.report import Report, RunStatus
from engine.report.source import bytes_of

_DIGITS = 2
"""So many digits of an estimate say something."""


def unread_text(report: Report) -> str:
    """Return how much of the source was not read, such as `about 680,000 records (104 MB)`; empty if nothing was left.

    Where nobody knows how much it is, that is said; of a run that came to its end, and a replay, nothing is.
    """
    unread, about = report.unread, unread_about(report)
    size = f" ({bytes_text(unread.bytes)})" if unread.bytes else ""
    if unread.rows == 0 or (unread.rows is None and unread.bytes == 0):
        return ""
    if unread.rows is not None:
        return counted(unread.rows, "record") + size
    if about:
        return f"about {counted(about, 'record')}{size}"
    if unread.bytes:
        return f"{bytes_text(unread.bytes)} of the source"
    is_over = report.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
    return (
        ""
        if is_over or report.kind == "replay" or not report.records.read
        else "how much more the source holds is not known"
    )


def unread_about(report: Report) -> int | None:
    """Return about how many records were not read, judged by the bytes of those that were; None if nothing tells."""
    unread, whole = report.unread, bytes_of(report.inputs)
    if unread.rows is not None:
        return unread.rows
    rows_read = report.records.read + report.records.filtered
    if not unread.bytes or whole is None or whole <= unread.bytes or not rows_read:
        return None
    about = unread.bytes * rows_read / (whole - unread.bytes)
    return max(1, int(float(f"{about:.{_DIGITS - 1}e}")))
