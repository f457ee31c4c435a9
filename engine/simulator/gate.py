"""Lets a test wait for a moment and hold requests there, so that no test needs to sleep."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from engine.simulator.model.ledger import Stats


class Gate:
    """Holds the requests that come to it, until they are released one by one or all at once."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._held: deque[asyncio.Future[None]] = deque()
        self._watchers: list[asyncio.Future[None]] = []

    async def hold(self) -> None:
        """Stay here until released."""
        released = asyncio.get_running_loop().create_future()
        self._held.append(released)
        self._stats.held += 1
        self.something_changed()
        try:
            await released
        finally:
            self._stats.held -= 1
            if released in self._held:
                self._held.remove(released)

    def release(self, count: int | None = None) -> int:
        """Let the first `count` requests go on, or all of them; return how many did."""
        going = 0
        while self._held and going != count:
            released = self._held.popleft()
            if not released.done():  # else its request was given up, and has not come to say so yet
                released.set_result(None)
                going += 1
        return going

    def something_changed(self) -> None:
        """Tell those who wait that they should look again."""
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds."""
        while not condition():
            watcher = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            await watcher
