"""Guards: a source that cannot be right is not sent, and a run that the API refuses too often does not go on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from engine.report import RunStatus, from_json
from engine.sources import Source
from engine.values import ChunkCounts, SourceUntrusted

REJECTS_JUDGED_FROM = 100_000
"""A share of rejects is judged against at least so many records (or the whole source, if it is smaller): a few bad
records at the very start of a portfolio say nothing about it."""


class Limit(Protocol):
    """A count, or a share of a total."""

    def exceeded(self, bad: int, total: int) -> bool:
        """Whether `bad` of `total` is more than is accepted."""
        ...


class SizeGuard(Protocol):
    """The guards that need the size of the source."""

    @property
    def min_records(self) -> int | None:
        """The fewest records a source may hold."""
        ...

    @property
    def max_shrink(self) -> Limit | None:
        """How much smaller than the last complete run a source may be."""
        ...


def rejects_exceeded(counts: ChunkCounts, limit: Limit, expected: int | None) -> SourceUntrusted | None:
    """Return the reason to stop if more records were refused or left unproven than `limit` allows.

    `expected` is how many records the source is thought to hold, None once it is read to its end or unknown.
    """
    bad = counts.rejected + counts.unknown
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


def check_size(source: Source, guard: SizeGuard, state_dir: Path, limit: int | None) -> None:
    """Count the source before anything is sent.

    Raises:
        SourceUntrusted: it holds fewer records than `guard` accepts.
    """
    count = sum(len(block.ids) + len(block.refusals) for block in source.blocks())
    if guard.min_records is not None and count < guard.min_records:
        raise SourceUntrusted(
            f"nothing was sent: {source.label} holds {count:,} records, fewer than guard.min_records "
            f"({guard.min_records:,}); if that is right, set ENGINE_GUARD__MIN_RECORDS={max(count, 1)} for this run"
        )
    before = None if limit is not None else _last_complete(state_dir)
    if guard.max_shrink is not None and before and guard.max_shrink.exceeded(before - count, before):
        raise SourceUntrusted(
            f"nothing was sent: {source.label} holds {count:,} records, the last complete run read {before:,}: more "
            f"of a shrink than guard.max_shrink ({guard.max_shrink}); if that is right, set "
            "ENGINE_GUARD__MAX_SHRINK=100% for this run"
        )


def _last_complete(state_dir: Path) -> int | None:
    """Return how many records the latest run read that came to the end of its source; one with a limit does not."""
    for path in sorted((state_dir / "runs").glob("*/report.json"), reverse=True):
        with suppress(OSError, ValueError):
            report = from_json(path.read_bytes())
            finished = report.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
            if finished and report.kind == "sync" and report.limit is None:
                return report.records.read
    return None
