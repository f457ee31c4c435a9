"""Reading and encoding at the same time: an iterator that is always one item ahead of who uses it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield `items`, each next one made in a thread of its own meanwhile. It pays if making them releases the GIL.

    No more than one item waits. Leaving early waits for the item that is being made.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
