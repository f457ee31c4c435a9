"""Records from Python itself: any iterable, or async iterable, of `(id, data)` pairs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from engine.sources.protocol import WithoutFiles
from engine.values import Block, Place, Refusal, Span, join_spans

LABEL = "records"
_TAKEN_AT_ONCE = 1_000


class PairsSource(WithoutFiles):
    """A source over `pairs`. An async iterable is advanced in the event loop that this is made in."""

    label = LABEL

    def __init__(self, pairs: Iterable[Any] | AsyncIterable[Any], batch_size: int) -> None:
        self._pairs = pairs
        self._batch_size = batch_size
        self._loop = asyncio.get_running_loop()

    def blocks(self) -> Iterator[Block]:
        """Yield the pairs as records; runs in a thread."""
        row = 0
        pairs = iter(self._pairs) if isinstance(self._pairs, Iterable) else in_loop(self._pairs, self._loop)
        while taken := list(islice(pairs, self._batch_size)):
            yield _block(taken, row + 1)
            row += len(taken)


def in_loop(items: AsyncIterable[Any], loop: asyncio.AbstractEventLoop, at_once: int = _TAKEN_AT_ONCE) -> Iterator[Any]:
    """Iterate over `items` from another thread, `at_once` at a time."""
    iterator = aiter(items)
    while taken := asyncio.run_coroutine_threadsafe(_take(iterator, at_once), loop).result():
        yield from taken


async def _take(iterator: AsyncIterator[Any], at_once: int) -> list[Any]:
    taken: list[Any] = []
    async for item in iterator:
        taken.append(item)
        if len(taken) == at_once:
            break
    return taken


def _block(pairs: list[Any], first_row: int) -> Block:
    ids: list[str] = []
    lines: list[bytes] = []
    spans: list[Span] = []
    refusals: list[Refusal] = []
    for row, pair in enumerate(pairs, first_row):
        try:
            record_id, line = _encoded(pair)
        except ValueError as error:
            refusals.append(Refusal(str(error), Place(LABEL, row), raw=""))
            continue
        ids.append(record_id)
        lines.append(line)
        spans.append(Span(LABEL, row, 1))
    return Block(ids, b"\n".join(lines), join_spans(spans), refusals)


def _encoded(pair: Any) -> tuple[str, bytes]:
    """Return the id and the canonical line of a pair.

    Raises:
        ValueError: it is no record; the message says why and holds no data.
    """
    if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
        raise ValueError("not a pair of id and data")
    record_id, data = pair
    if not isinstance(record_id, str) or not record_id:
        raise ValueError("id is not a non-empty string")
    if not isinstance(data, Mapping) or not data:
        raise ValueError("data is not a non-empty mapping")
    if _holds_non_finite(data):
        raise ValueError("data holds a number that JSON can't: NaN or infinity")
    try:
        return record_id, orjson.dumps({"id": record_id, "data": dict(data)})
    except (orjson.JSONEncodeError, TypeError) as error:
        raise ValueError("data holds a value that JSON can't") from error


def _holds_non_finite(value: Any) -> bool:
    if isinstance(value, str):
        return False
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, Mapping):
        return any(_holds_non_finite(each) for each in value.values())
    return isinstance(value, (list, tuple)) and any(_holds_non_finite(each) for each in value)
