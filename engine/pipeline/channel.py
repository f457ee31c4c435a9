"""A bounded channel between two stages: the sender waits when it is full, the receiver when it is empty."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class ChannelClosed(Exception):
    """The other side is gone: nothing more can be sent."""


class Channel(Generic[T]):
    """At most `items_max` items wait in it. Belongs to one event loop."""

    def __init__(self, items_max: int) -> None:
        self._items: deque[T] = deque()
        self._items_max = items_max
        self._closed = False
        self._changed = asyncio.Condition()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Channel {len(self._items)}/{self._items_max} {state}>"

    async def send(self, item: T) -> None:
        """Hand over `item`, waiting for room.

        Raises:
            ChannelClosed: the channel was closed before there was room.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._items) < self._items_max)
            if self._closed:
                raise ChannelClosed
            self._items.append(item)
            self._changed.notify_all()

    async def receive_all(self) -> list[T]:
        """Wait for an item and return all that are there; an empty list once the channel is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._items)
            items = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Wait for an item and return it; the iteration ends once the channel is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._items)
            if not self._items:
                raise StopAsyncIteration
            self._changed.notify_all()
            return self._items.popleft()

    async def close(self, *, discard: bool = False) -> None:
        """Let nothing more in. What waits can still be received, unless `discard` throws it away."""
        async with self._changed:
            self._closed = True
            if discard:
                self._items.clear()
            self._changed.notify_all()
