"""The aggregator: makes each result durable, then lets it count, then lets later chunks with the same ids pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from engine.pipeline.channel import Channel
from engine.values import ChunkResult


async def aggregate(
    results: Channel[ChunkResult],
    *,
    record: Callable[[Sequence[ChunkResult]], Awaitable[None]],
    count: Callable[[Sequence[ChunkResult]], None],
    judge: Callable[[], None],
    release: Callable[[ChunkResult], None],
) -> None:
    """Handle results until the channel ends. Those that arrive together become durable together.

    `record` returns when results are durable, `count` takes them into the sums, at which `judge` looks; it may ask the
    run to stop. `release` lets later chunks pass. What is being made durable when this is cancelled is counted all the
    same: the journal can't be called back.
    """

    async def settle(arrived: Sequence[ChunkResult]) -> None:
        await record(arrived)
        count(arrived)
        judge()
        for result in arrived:
            release(result)

    while arrived := await results.receive_all():
        settling = asyncio.ensure_future(settle(arrived))
        settling.add_done_callback(_retrieve)
        await asyncio.shield(settling)
        del arrived, settling  # who waits for more keeps no chunk alive: they are large


def _retrieve(settled: asyncio.Task[None]) -> None:
    """Look at what became of it, or asyncio calls an error lost for which nobody waits any more: the run has ended."""
    if not settled.cancelled():
        settled.exception()
