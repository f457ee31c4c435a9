"""What a call of the library gave as records: tables, or pairs. Nothing of Arrow is imported to tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Iterator, Sized
from typing import Any, Protocol, TypeAlias

from engine.sources.pairs import in_loop

STREAM, ARRAY = "__arrow_c_stream__", "__arrow_c_array__"
"""The methods by which libraries hand over tables, and single batches of rows."""


IN_MEMORY = {"pyarrow", "polars", "pandas"}
"""Libraries whose tables lie in memory, if they know their length."""


class StreamOfColumns(Protocol):
    """A table, a frame, a reader of batches: whatever hands over batches of rows by Arrow's C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None, /) -> object:
        """Return the stream."""


class BatchOfColumns(Protocol):
    """A batch of rows, by Arrow's C data interface."""

    def __arrow_c_array__(self, requested_schema: object | None = None, /) -> tuple[object, object]:
        """Return its schema and its columns."""
        ...


Columns: TypeAlias = StreamOfColumns | BatchOfColumns
"""What hands over columns itself."""


def is_table(given: object) -> bool:
    """Return whether `given` hands over columns itself: a table, a batch of rows, a reader of batches, a frame."""
    return hasattr(given, STREAM) or hasattr(given, ARRAY)


def tables_of(given: Any, loop: asyncio.AbstractEventLoop | None) -> Iterator[object]:
    """Yield what `given` holds, one by one: itself, or what it yields; an async iterable is advanced in `loop`."""
    if is_table(given):
        return iter((given,))
    if isinstance(given, Iterable) or loop is None:
        return iter(given)
    return in_loop(given, loop, at_once=1)  # each may hold many rows


def is_read_again(given: object) -> bool:
    """Return whether records can be read twice: tables that lie in memory, or pairs in a list and the like.

    What else hands over columns may run a query for it, or be empty the second time.
    """
    if is_table(given):
        return isinstance(given, Sized) and type(given).__module__.partition(".")[0] in IN_MEMORY
    if isinstance(given, list | tuple) and given and is_table(given[0]):
        return all(map(is_read_again, given))
    return not isinstance(given, Iterator | AsyncIterable)
