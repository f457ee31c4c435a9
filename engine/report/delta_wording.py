"""The words about delta: who is gone, whether everything was sent and why, and what the ledger holds."""

from __future__ import annotations

from datetime import datetime, tzinfo

from engine.report.formatting import age_text, counted, moment_text, shown
from engine.report.report import GONE_FILE, Gone, Report
from engine.values import ExitCode


def delta_rows(report: Report) -> list[tuple[str, str]]:
    """Return what is to be told, a name and its text each; nothing of a run that had no ledger."""
    if report.delta.mode == "off":
        return []
    rows = [("gone", _gone(report))] if report.gone.found or report.gone.skipped else []
    if report.delta.full:
        rows.append(("full send", f"yes: {shown(report.delta.full_reason or 'nothing was known', 300)}"))
    return [*rows, ("ledger", ledger_text(report))]


_BECAME = dict(zip(Gone().states, ("told", "refused", "unproven", "only listed"), strict=True))


def _gone(report: Report) -> str:
    gone = report.gone
    if not gone.found:
        return f"not judged: {shown(gone.skipped or '', 300)}"
    what = ", ".join(f"{count:,} {_BECAME[state]}" for state, count in gone.states.items() if count)
    new = f", {gone.new:,} of them new since the last complete run"
    withheld = f"; withheld: {shown(gone.skipped, 300)}" if gone.skipped else ""
    return f"{counted(gone.found, 'id')}{new}; {what}{withheld}"


def ledger_text(report: Report, zone: tzinfo | None = None) -> str:
    """Return how many ids the ledger held at the end of a run, and how old the oldest acknowledgement was."""
    held = f"{counted(report.delta.ledger_records, 'id')} known"
    if report.delta.last_full_at is None:
        return f"{held}, none of them good for leaving a record out"
    oldest = report.delta.last_full_at
    if oldest == report.started_at:
        return f"{held}, none acknowledged before this run"
    age = age_text(oldest, datetime.fromisoformat(report.finished_at)) if report.finished_at else ""
    return f"{held}; the oldest acknowledged {moment_text(oldest, zone)}" + (f", {age} before the end" if age else "")


def gone_sentence(report: Report) -> str:
    """Return what the headline of a run that came to its end says about ids that are gone; empty without any."""
    gone = report.gone
    if not gone.found:
        return ""
    are = "is" if gone.found == 1 else "are"
    if failed := gone.rejected + gone.unknown:
        return f" {failed:,} of {counted(gone.found, 'id')} that {are} gone could not be told so."
    if gone.updated == gone.found:
        were = "was" if gone.found == 1 else "were"
        return f" {counted(gone.found, 'id')} that {are} gone {were} told so."
    withheld = "; nothing was sent to them" if gone.skipped else ""
    return f" {counted(gone.found, 'id')} {are} gone{withheld}: {GONE_FILE} lists them."


def too_many_are_gone(report: Report) -> bool:
    """Whether all that stopped the run was `guard.max_gone`: every record had been tried by then."""
    return report.exit_code == ExitCode.SOURCE_UNTRUSTED and report.gone.skipped is not None and report.gone.found > 0
