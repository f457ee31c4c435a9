"""The journal as it might be: what was written last may be gone after a crash, what was called durable never is.

The same steps in the same order as `engine.state.journal`: the reject lines, then one transaction with everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from engine.state.rejects import reject_lines
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import StateFailed
from engine.values.records import ChunkResult, Outcome


@dataclass(slots=True)
class Disk:
    """What survives a crash."""

    results: dict[int, ChunkResult] = field(default_factory=dict)
    rejected: list[bytes] = field(default_factory=list)
    rejected_count: int = 0
    requests: RequestCounts = field(default_factory=RequestCounts)
    violations: list[str] = field(default_factory=list)
    """What must never be written."""

    @property
    def done(self) -> dict[int, bytes]:
        """The digest of each chunk with a durable result."""
        return {seq: result.chunk.digest() for seq, result in self.results.items()}

    def counts(self) -> RecordCounts:
        """Return the sums over all durable results."""
        results = self.results.values()
        return RecordCounts(
            read=sum(result.chunk.read for result in results),
            invalid=sum(result.count(Outcome.INVALID) for result in results),
            superseded=sum(result.chunk.superseded for result in results),
            updated=sum(result.updated for result in results),
            rejected=sum(result.count(Outcome.REJECTED) for result in results),
            unknown=sum(result.count(Outcome.UNKNOWN) for result in results),
        )


class FakeJournal:
    """The journal seam of one process."""

    def __init__(self, disk: Disk, rng: Random, *, fails: bool) -> None:
        self._disk = disk
        self._rng = rng
        self._fails = fails
        self._at_work = asyncio.Lock()  # one write after another, as in a thread of its own
        self.dead = False
        del disk.rejected[disk.rejected_count :]

    async def record(self, results: Sequence[ChunkResult], requests: RequestCounts) -> None:
        """Make results durable. As with a thread, a caller that is cancelled does not cancel what was begun."""
        await asyncio.shield(asyncio.ensure_future(self._write(results, replace(requests))))

    async def _write(self, results: Sequence[ChunkResult], requests: RequestCounts) -> None:
        async with self._at_work:
            lines = [line for result in results for line in reject_lines(result)]
            await self._step()
            self._disk.rejected += lines
            await self._step()
            for result in results:
                if result.chunk.seq in self._disk.results:
                    self._disk.violations.append("a chunk with a durable result got another one")
                self._disk.results[result.chunk.seq] = result
            self._disk.rejected_count = len(self._disk.rejected)
            self._disk.requests = requests
            await self._step(may_fail=False)

    async def _step(self, *, may_fail: bool = True) -> None:
        """Take some time, in which the process may die; then nothing more is written."""
        await asyncio.sleep(self._rng.choice((0.0005, 0.002, 0.05)))
        if self.dead:
            raise asyncio.CancelledError
        if may_fail and self._fails and self._rng.random() < 0.2:
            raise StateFailed("the disk is full")
