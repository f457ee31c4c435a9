"""Reading with several threads, in an order that is the same every time."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")

READERS_VARIABLE = "ENGINE_READERS"
"""The environment variable that says how many threads read; without it, the machine's cores do."""

READERS_MAX = 4
"""More threads do not pay: what only one of them does at a time, and sending, are then what takes longest."""


def readers() -> int:
    """Return how many threads read a file of columns, beside the one that cuts what they have read into chunks."""
    given = os.environ.get(READERS_VARIABLE, "")
    if given.isdecimal() and int(given):
        return int(given)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(READERS_MAX, cores)


def in_order(items: Iterator[S], work: Callable[[S], T], threads: int) -> Generator[T]:
    """Yield `work(item)` for each of `items`, in their order. It pays if both release the GIL.

    Each thread takes an item, one thread at a time, and then works on it, beside the others. No more than `threads` + 2
    items are in memory, with the one that was yielded last. What fails is raised in place of its own item. Leaving
    early waits for the items that are being made. The threads are daemons: an item that takes long must not keep a
    stopped process alive. With no threads, the caller's own does it all.
    """
    if not threads:
        yield from map(work, items)
        return
    line = _Line(items, work, room=threads + 2)
    running = [Thread(target=line.serve, name=f"reader-{number}", daemon=True) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        while (made := line.results.get().result()) is not None:
            yield made[0]
            line.room.release()
    finally:
        line.ended = True
        line.room.release(threads)
        for thread in running:
            thread.join()


class _Line(Generic[S, T]):
    """Items on their way through several threads; their results are put in line before they are made.

    A result is a tuple of one, or None behind the last.
    """

    def __init__(self, items: Iterator[S], work: Callable[[S], T], room: int) -> None:
        self.results: SimpleQueue[Future[tuple[T] | None]] = SimpleQueue()
        self.room = Semaphore(room)
        self.ended = False
        self._items = items
        self._work = work
        self._turn = Lock()

    def serve(self) -> None:
        """Make results until there are no more items, or nobody wants them any more."""
        while not self.ended:
            self.room.acquire()
            self._make_next()

    def _make_next(self) -> None:
        with self._turn:
            if self.ended:
                return
            result: Future[tuple[T] | None] = Future()
            self.results.put(result)
            try:
                item = next(self._items)
            except StopIteration:
                self.ended = True
                result.set_result(None)
                return
            except BaseException as error:
                self.ended = True
                result.set_exception(error)
                return
        try:
            result.set_result((self._work(item),))
        except BaseException as error:
            result.set_exception(error)
