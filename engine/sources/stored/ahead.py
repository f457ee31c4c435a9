"""Reading and encoding at the same time: an iterator that is always one item ahead of who uses it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield `items`, each next one made in a thread of its own meanwhile. It pays if making them releases the GIL.

    No more than one item waits. Leaving early waits for the item that is being made. The thread is a daemon: an item
    that takes long must not keep a stopped process alive.
    """
    wanted: SimpleQueue[bool] = SimpleQueue()
    made: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def make() -> None:
        while wanted.get():
            try:
                made.put((next(items, None), None))
            except BaseException as error:
                made.put((None, error))

    thread = Thread(target=make, name="read-ahead", daemon=True)
    thread.start()
    wanted.put(True)
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is None:
                return
            wanted.put(True)
            yield item
    finally:
        wanted.put(False)
        thread.join()
