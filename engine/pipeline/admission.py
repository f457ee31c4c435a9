"""Never two versions of an id in flight: a chunk waits for an earlier unfinished one that shares an id with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache

from engine.values import Chunk


class OrderGate:
    """Holds all chunks that were let through and have no durable result yet, `concurrency` at the most.

    Only these chunks can have been sent without a trace, so no more than these are sent again after a crash.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._unfinished: dict[int, Callable[[], set[str]]] = {}  # by seq: makes a set of the ids, once it is needed
        self._released = asyncio.Event()

    def __repr__(self) -> str:
        return f"<OrderGate {len(self._unfinished)}/{self._concurrency} chunks>"

    async def admit(self, chunk: Chunk) -> None:
        """Wait until no unfinished chunk shares an id with this one, then hold it.

        Must be called by one task, in source order: that is what keeps the versions of an id in order.
        """
        while len(self._unfinished) >= self._concurrency or self._must_wait(chunk):
            self._released.clear()
            await self._released.wait()
        self._unfinished[chunk.seq] = cache(lambda: set(chunk.ids))

    def release(self, chunk: Chunk) -> None:
        """Let later chunks with its ids pass: the result of this one is durable."""
        del self._unfinished[chunk.seq]
        self._released.set()

    def _must_wait(self, chunk: Chunk) -> bool:
        # The chunker has compared it with the chunks just before it already; what is older is compared here.
        return any(
            seq < chunk.apart_from and not ids_of().isdisjoint(chunk.ids) for seq, ids_of in self._unfinished.items()
        )
