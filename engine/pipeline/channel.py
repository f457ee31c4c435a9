"""A bounded channel between two stages: the sender waits when it is full, the receiver when it is empty."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class ChannelClosed(Exception):
    """The other side is gone: nothing more can be sent."""


_Line = deque[asyncio.Future[None]]
"""Those who wait, first come, first served."""


class Channel(Generic[T]):
    """At most `items_max` items wait in it. Belongs to one event loop.

    An item wakes one receiver, and room wakes one sender: to wake all, of whom one finds something, costs more than all
    else here.
    """

    def __init__(self, items_max: int) -> None:
        self._items: deque[T] = deque()
        self._items_max = items_max
        self._closed = False
        self._senders: _Line = deque()
        self._receivers: _Line = deque()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Channel {len(self._items)}/{self._items_max} {state}>"

    async def send(self, item: T) -> None:
        """Hand over `item`, waiting for room.

        Raises:
            ChannelClosed: the channel was closed before there was room.
        """
        await _wait_in(self._senders, self._may_send)
        if self._closed:
            raise ChannelClosed
        self._items.append(item)
        _wake(self._receivers, 1)

    async def receive_all(self) -> list[T]:
        """Wait for an item and return all that are there; an empty list once the channel is closed and empty."""
        await _wait_in(self._receivers, self._may_receive)
        items = list(self._items)
        self._items.clear()
        _wake(self._senders, len(items))
        return items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Wait for an item and return it; the iteration ends once the channel is closed and empty."""
        await _wait_in(self._receivers, self._may_receive)
        if not self._items:
            raise StopAsyncIteration
        _wake(self._senders, 1)
        return self._items.popleft()

    async def close(self, *, discard: bool = False) -> None:
        """Let nothing more in. What waits can still be received, unless `discard` throws it away."""
        self._closed = True
        if discard:
            self._items.clear()
        for line in (self._senders, self._receivers):
            _wake(line, len(line))

    def _may_send(self) -> bool:
        return self._closed or len(self._items) < self._items_max

    def _may_receive(self) -> bool:
        return self._closed or bool(self._items)


async def _wait_in(line: _Line, is_time: Callable[[], bool]) -> None:
    """Wait until it is time; who was woken and is cancelled wakes the next instead."""
    while not is_time():
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except BaseException:
            if turn in line:
                line.remove(turn)
            elif is_time():
                _wake(line, 1)
            raise


def _wake(line: _Line, count: int) -> None:
    """Wake the first ones."""
    while line and count > 0:
        turn = line.popleft()
        if not turn.done():  # else it is cancelled, and about to leave by itself
            turn.set_result(None)
            count -= 1
