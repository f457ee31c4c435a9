"""A whole pass over the source before the run begins: it shows progress, and a wish to stop ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from msgspec import Struct

from engine.outlets import Harmless, ProgressDisplay, ProgressSnapshot
from engine.run.beside import beside
from engine.sources import Source
from engine.values import Block, Interrupted, Stop

TICK_S = 0.25


class CountedSource(Struct):
    """`source`, of which all that is read is counted, until `stop` is requested."""

    source: Source
    stop: Stop
    records: int = 0
    source_bytes: int = 0

    @property
    def label(self) -> str:
        """As the source."""
        return self.source.label

    @property
    def paths(self) -> tuple[str, ...]:
        """As the source."""
        return self.source.paths

    def size(self) -> int | None:
        """As the source."""
        return self.source.size()

    def sizes(self) -> dict[str, int]:
        """As the source."""
        return self.source.sizes()

    def digests(self) -> dict[str, str]:
        """As the source."""
        return self.source.digests()

    def modified_at(self) -> float | None:
        """As the source."""
        return self.source.modified_at()

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the source; runs in a thread.

        Raises:
            EngineError: the reason to stop, or what the source raises.
        """
        for block in self.source.blocks():
            if self.stop.requested:
                raise self.stop.error or Interrupted("stopped")
            self.records += len(block.ids) + len(block.refusals)
            self.source_bytes += block.source_bytes
            yield block


@asynccontextmanager
async def counting(source: Source, stop: Stop, display: ProgressDisplay) -> AsyncIterator[Source]:
    """Lend a source that is read to be counted only; meanwhile, `display` shows how far that is."""
    counted = CountedSource(source, stop)
    async with beside(_tick(counted, display)):
        yield counted


async def _tick(counted: CountedSource, display: ProgressDisplay) -> None:
    now = asyncio.get_running_loop().time
    started_at, size = now(), counted.size()
    harmless = Harmless("watching the count")
    while True:
        with harmless:
            display.update(
                ProgressSnapshot(
                    elapsed_s=now() - started_at,
                    records_read=counted.records,
                    source_bytes_read=counted.source_bytes,
                    source_bytes_total=size,
                    waiting="counting the source first (guard.min_records, guard.max_shrink)",
                )
            )
        await asyncio.sleep(TICK_S)
