"""Never two versions of an id in flight: a chunk waits for an earlier unfinished one that shares an id with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class OrderGate:
    """Holds the ids of all chunks that were let through and have no durable result yet, `chunks_max` at the most.

    Only these chunks can have been sent without a trace, so no more than these are sent again after a crash.
    """

    def __init__(self, chunks_max: int) -> None:
        self._chunks_max = chunks_max
        self._chunks = 0
        self._unfinished: set[str] = set()
        self._released = asyncio.Event()

    def __repr__(self) -> str:
        return f"<OrderGate {self._chunks}/{self._chunks_max} chunks, {len(self._unfinished)} ids>"

    async def admit(self, ids: Iterable[str]) -> None:
        """Wait until none of `ids` (pairwise different) is unfinished, then hold them.

        Must be called by one task, in source order: that is what keeps the versions of an id in order.
        """
        while self._chunks >= self._chunks_max or not self._unfinished.isdisjoint(ids):
            self._released.clear()
            await self._released.wait()
        self._chunks += 1
        self._unfinished.update(ids)

    def release(self, ids: Iterable[str]) -> None:
        """Let later chunks with these ids pass: the result of this one is durable."""
        self._chunks -= 1
        self._unfinished.difference_update(ids)
        self._released.set()
