"""Where records stand in their source: single places, and spans of consecutive ones."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, overload

import msgspec


class Place(NamedTuple):
    """Where a record stands in its source: a path (or `-`) and a row, counted from 1."""

    path: str
    row: int


class Span(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`count` consecutive records of one file, the first of them at `first_row` (counted from 1).

    Where every other row of a source is left out, each record has a span: so this is a kind of value that costs little.
    """

    path: str
    first_row: int
    count: int


class RowSpans(Sequence[Span]):
    """The places of records that stand here and there. They become spans when somebody asks, which few ever do.

    Args:
        parts: paths, each with the rows there, ascending: unsigned 64-bit numbers.
    """

    def __init__(self, parts: Sequence[tuple[str, bytes]]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> list[Span]: ...
    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        return self._spans[index]

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._spans == list(other)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def _spans(self) -> list[Span]:
        return join_spans(Span(path, row, 1) for path, rows in self.parts for row in array("Q", rows))


def place_of(spans: Iterable[Span], index: int) -> Place:
    """Return the place of the record at `index` among the records that `spans` cover.

    Raises:
        IndexError: the spans cover fewer records.
    """
    for span in spans:
        if index < span.count:
            return Place(span.path, span.first_row + index)
        index -= span.count
    raise IndexError("the spans cover fewer records")


def places(spans: Iterable[Span]) -> Iterator[Place]:
    """Yield the place of each record that `spans` cover."""
    for span in spans:
        for row in range(span.first_row, span.first_row + span.count):
            yield Place(span.path, row)


def cut_spans(spans: Sequence[Span], count: int) -> tuple[list[Span], list[Span]]:
    """Return the places of the first `count` records and those of the others."""
    for index, span in enumerate(spans):
        if count < span.count:
            head, tail = list(spans[:index]), list(spans[index + 1 :])
            if count:
                head.append(Span(span.path, span.first_row, count))
            return head, [Span(span.path, span.first_row + count, span.count - count), *tail]
        count -= span.count
    return list(spans), []


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the same places in the same order, with neighbours that continue each other made one."""
    joined: list[Span] = []
    for span in spans:
        extend_spans(joined, [span])
    return joined


def extend_spans(joined: list[Span], spans: Sequence[Span]) -> None:
    """Append places to others, which they follow; in both, neighbours that continue each other are one already."""
    if joined and spans:
        last, first = joined[-1], spans[0]
        if last.path == first.path and last.first_row + last.count == first.first_row:
            joined[-1] = Span(last.path, last.first_row, last.count + first.count)
            spans = spans[1:]
    joined += spans
