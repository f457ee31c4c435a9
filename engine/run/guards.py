"""Guards: a source that cannot be right is not sent, and a run that the API refuses too often does not go on."""

from __future__ import annotations

from engine.report import Report, RunStatus, latest_report
from engine.settings import RunSettings
from engine.sources import Source
from engine.state import RUNS
from engine.values import ChunkCounts, SourceUntrusted

REJECTS_JUDGED_FROM = 100_000
"""A share of rejects is judged against at least so many records (or the whole source, if it is smaller): a few bad
records at the very start of a portfolio say nothing about it."""


def rejects_exceeded(counts: ChunkCounts, settings: RunSettings, expected: int | None) -> SourceUntrusted | None:
    """Return the reason to stop if more records were refused or left unproven than `guard.max_rejected` allows.

    `expected` is how many records the source is thought to hold, None once it is read to its end or unknown.
    """
    bad, limit = counts.rejected + counts.unknown, settings.guard.max_rejected
    if not bad:
        return None
    judged_from = min(expected, REJECTS_JUDGED_FROM) if expected is not None else 0
    if not limit.exceeded(bad, max(counts.sent, judged_from)):
        return None
    return SourceUntrusted(
        f"the API did not accept {bad:,} of {counts.sent:,} records, more than guard.max_rejected ({limit}) "
        "allows; look at rejected.ndjson, then run the same command again to go on, with a higher limit for this run: "
        "ENGINE_GUARD__MAX_REJECTED=100%"
    )


def check_size(source: Source, settings: RunSettings, limit: int | None) -> None:
    """Count the source before anything is sent.

    Raises:
        SourceUntrusted: it holds fewer records than `[guard]` accepts.
    """
    guard = settings.guard
    if not (guard.min_records or guard.max_shrink):
        return
    count = sum(len(block.ids) + len(block.refusals) for block in source.blocks())
    if guard.min_records is not None and count < guard.min_records:
        raise SourceUntrusted(
            f"nothing was sent: {source.label} holds {count:,} records, fewer than guard.min_records "
            f"({guard.min_records:,}); if that is right, set ENGINE_GUARD__MIN_RECORDS={max(count, 1)} for this run"
        )
    if guard.max_shrink is None or limit is not None:
        return
    last = latest_report(settings.state.dir / RUNS, _is_whole)
    before = last.records.read if last else 0
    if before and guard.max_shrink.exceeded(before - count, before):
        raise SourceUntrusted(
            f"nothing was sent: {source.label} holds {count:,} records, the last complete run read {before:,}: more "
            f"of a shrink than guard.max_shrink ({guard.max_shrink}); if that is right, set "
            "ENGINE_GUARD__MAX_SHRINK=100% for this run"
        )


def _is_whole(report: Report) -> bool:
    """Whether a run read its source to the end; one with a limit does not."""
    finished = report.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
    return finished and report.kind == "sync" and report.limit is None
