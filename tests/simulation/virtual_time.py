"""An event loop without a clock: time jumps to the next timer, so an hour of waiting takes no time, always the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STEP_S = 1e-6
"""Each turn of the loop takes at least so long, so that no rounding can hold the time still."""


class NothingLeftToDo(Exception):
    """Every task waits for something that will never happen."""


class _Selector:
    """Takes the place of the operating system: where a loop would sleep, the time goes on instead."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = 0
        self.on_turn: Callable[[int], None] = lambda _turns: None

    def select(self, timeout_s: float | None) -> list[Any]:
        if timeout_s is None:
            raise NothingLeftToDo
        self.now += max(timeout_s, STEP_S)
        self.turns += 1
        self.on_turn(self.turns)
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """A deterministic loop that can do nothing but run tasks and timers: no sockets, no threads."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Selector()

    def time(self) -> float:
        return self._selector.now

    def on_turn(self, call: Callable[[int], None]) -> None:
        """Have `call` called with the number of the turn, once in each."""
        self._selector.on_turn = call

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        raise RuntimeError("a thread has no place in virtual time")


def run(work: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run `work` to its end on a fresh `loop`, and close that."""
    asyncio.set_event_loop(None)
    try:
        return loop.run_until_complete(work)
    finally:
        _cancel_all(loop)
        loop.close()


def _cancel_all(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
