"""Never two versions of an id in flight: a chunk waits for an earlier unfinished one that shares an id with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class OrderGate:
    """Holds the ids of all chunks that were let through and have no durable result yet."""

    def __init__(self) -> None:
        self._unfinished: set[str] = set()
        self._released = asyncio.Event()

    async def admit(self, ids: Iterable[str]) -> None:
        """Wait until none of `ids` (pairwise different) is unfinished, then hold them.

        Must be called by one task, in source order: that is what keeps the versions of an id in order.
        """
        while not self._unfinished.isdisjoint(ids):
            self._released.clear()
            await self._released.wait()
        self._unfinished.update(ids)

    def release(self, ids: Iterable[str]) -> None:
        """Let later chunks with these ids pass."""
        self._unfinished.difference_update(ids)
        self._released.set()
