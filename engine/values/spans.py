"""Where records stand in their source: single places, and spans of consecutive ones."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
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


ROW_BYTES = 8
"""So long is a row in `RowSpans`."""


class RowSpans(Sequence[Span]):
    """The places of records that stand here and there. They become spans when somebody asks, which few ever do.

    Args:
        parts: paths, each with the rows there, ascending: unsigned 64-bit numbers. Those without rows are left out.
    """

    def __init__(self, parts: Sequence[tuple[str, bytes]]) -> None:
        self.parts = [part for part in parts if part[1]]

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

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def records(self) -> int:
        """How many records they are."""
        return sum(len(rows) for _, rows in self.parts) // ROW_BYTES

    def cut(self, count: int) -> tuple[RowSpans, RowSpans]:
        """Return the places of the first `count` records and those of the others."""
        head, tail = [], []
        for path, rows in self.parts:
            size = ROW_BYTES * max(0, count)
            head.append((path, rows[:size]))
            tail.append((path, rows[size:]))
            count -= len(rows) // ROW_BYTES
        return RowSpans(head), RowSpans(tail)

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


def first_place(spans: Sequence[Span]) -> Place:
    """Return the first of the places that spans cover, which are some."""
    if isinstance(spans, RowSpans):
        path, rows = spans.parts[0]
        return Place(path, array("Q", rows[:ROW_BYTES])[0])
    return Place(spans[0].path, spans[0].first_row)


def last_place(spans: Sequence[Span]) -> Place:
    """Return the last of the places that spans cover, which are some."""
    if isinstance(spans, RowSpans):
        path, rows = spans.parts[-1]
        return Place(path, array("Q", rows[-ROW_BYTES:])[0])
    return Place(spans[-1].path, spans[-1].first_row + spans[-1].count - 1)


def count_of(spans: Sequence[Span]) -> int:
    """Return how many records the spans cover."""
    return spans.records if isinstance(spans, RowSpans | SpanList) else sum(span.count for span in spans)


def cut_spans(spans: Sequence[Span], count: int) -> tuple[Sequence[Span], Sequence[Span]]:
    """Return the places of the first `count` records and those of the others."""
    if isinstance(spans, RowSpans):
        return spans.cut(count)
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


class SpanList(Sequence[Span]):
    """Places that are put together, each behind all before, in whatever form they come.

    Rows stay rows, and spans spans: very many rows that follow each other are one span, and take no memory each.
    """

    def __init__(self, spans: Sequence[Span] = ()) -> None:
        self._pieces: list[list[Span] | RowSpans] = []
        self.extend(spans)

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> list[Span]: ...
    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        return list(self)[index]

    def __iter__(self) -> Iterator[Span]:
        return chain.from_iterable(self._pieces)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and join_spans(self) == join_spans(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def records(self) -> int:
        """How many records they are."""
        return sum(map(count_of, self._pieces))

    @property
    def in_one_form(self) -> Sequence[Span]:
        """The same places as spans, or as rows if some of them are."""
        if len(self._pieces) == 1:
            return self._pieces[0]
        if not any(isinstance(piece, RowSpans) for piece in self._pieces):
            return list(self)
        parts: list[tuple[str, list[bytes]]] = []
        for path, rows in chain.from_iterable(map(_parts_of, self._pieces)):
            if not parts or parts[-1][0] != path:
                parts.append((path, []))
            parts[-1][1].append(rows)
        return RowSpans([(path, b"".join(rows)) for path, rows in parts])

    def extend(self, spans: Sequence[Span]) -> None:
        """Take the next places; neighbours that continue each other are one span already."""
        if isinstance(spans, SpanList):
            for piece in spans._pieces:
                self.extend(piece)
        elif isinstance(spans, RowSpans):
            self._pieces += [spans] if spans else []
        elif spans and self._pieces and not isinstance(self._pieces[-1], RowSpans):
            extend_spans(self._pieces[-1], spans)
        elif spans:
            self._pieces.append(list(spans))

    def split_at_row(self, row: int) -> tuple[SpanList, SpanList]:
        """See `split_at_row`."""
        before, behind = SpanList(), SpanList()
        for piece in self._pieces:
            head, tail = split_at_row(piece, row)
            before.extend(head)
            behind.extend(tail)
        return before, behind


def split_at_row(spans: Sequence[Span], row: int) -> tuple[Sequence[Span], Sequence[Span]]:
    """Return the places that stand before a row, and the others; all of one file, ascending, none across it."""
    if isinstance(spans, SpanList):
        return spans.split_at_row(row)
    if isinstance(spans, RowSpans):
        rows = array("Q", b"".join(rows for _, rows in spans.parts))
        return spans.cut(bisect_left(rows, row))
    here = bisect_left(spans, row, key=_first_row)
    return spans[:here], spans[here:]


def _first_row(span: Span) -> int:
    return span.first_row


def _parts_of(spans: Sequence[Span]) -> Iterable[tuple[str, bytes]]:
    if isinstance(spans, RowSpans):
        return spans.parts
    return ((span.path, array("Q", range(span.first_row, span.first_row + span.count)).tobytes()) for span in spans)
