"""Records that come some at a time → blocks of even size, so that a block can become a chunk without being cut."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct, field

from engine.values import (
    Block,
    ByteShares,
    JoinedLines,
    LineIds,
    Refusal,
    RowSpans,
    SourceUntrusted,
    Span,
    SpanList,
    cut_spans,
    extend_spans,
    first_place,
)

REFUSALS_MAX = 1_000
"""So many refusals end a block that is not full, so that bad input can't fill the memory."""


BLOCK_BYTES_MAX = 8 << 20
"""A block that would become larger than this is closed before it is full, unless what came at once is larger."""


ID_NUMBER_BYTES = 8
"""How many bytes an id's number takes."""


class Rows(Protocol):
    """Some rows of a file as records, and those of them that were refused."""

    @property
    def count(self) -> int:
        """How many records there are."""

    @property
    def ids(self) -> Sequence[str] | None:
        """The ids of the records; None if nobody has looked at them yet."""

    @property
    def id_numbers(self) -> bytes | None:
        """A 64-bit number for each id, as `Block` has them; None if nobody has made them."""

    @property
    def spans(self) -> Sequence[Span]:
        """Where the records stand."""

    @property
    def refusals(self) -> list[Refusal]:
        """The rows that are no records."""

    @property
    def filtered(self) -> Sequence[Span]:
        """Where the rows stand that were left out on purpose."""

    @property
    def filtered_ids(self) -> Sequence[str]:
        """The ids of these, as far as they are wanted and can be read."""

    @property
    def routed_by(self) -> Sequence[str] | None:
        """Of each record the text that says which campaign it is for; None if nobody has asked."""

    @property
    def notes(self) -> list[str]:
        """Doubts about the source, each a sentence without record data."""

    def text(self, start: int, stop: int) -> bytes | memoryview:
        """Return the lines of some records, at least one, joined by newlines."""


class NoRows(Struct, frozen=True):
    """What is to be said about a file as a whole, behind its rows."""

    notes: list[str]
    count: int = 0
    ids: Sequence[str] = ()
    id_numbers: bytes | None = b""
    spans: Sequence[Span] = ()
    refusals: list[Refusal] = field(default_factory=list)
    filtered: Sequence[Span] = ()
    filtered_ids: Sequence[str] = ()
    routed_by: Sequence[str] | None = ()

    def text(self, start: int, stop: int) -> bytes:
        """Return nothing."""
        return b""


def even_blocks(rows: Iterable[tuple[Rows, int]], batch_size: int) -> Iterator[Block]:
    """Yield blocks of exactly `batch_size` records, the last one smaller, of rows that come in any number.

    Blocks that would become too large are smaller, too. Beside some rows stands how many bytes of the file, as stored,
    had been read for all rows up to them.

    Raises:
        SourceUntrusted: what `rows` raises, after everything before was yielded.
    """
    cutter = _BlockCutter(batch_size)
    source_bytes = 0
    try:
        for some, read_bytes in rows:
            yield from cutter.add(some, read_bytes - source_bytes)
            source_bytes = read_bytes
    except SourceUntrusted:
        yield from cutter.finish()
        raise
    yield from cutter.finish()


class _BlockCutter:
    """The block being filled, and when to close it."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._open = _OpenBlock()

    def add(self, rows: Rows, source_bytes: int) -> Iterator[Block]:
        """Take the next rows, for which `source_bytes` were read; yield the blocks that they complete."""
        shares = ByteShares(source_bytes, rows.count)
        self._open.refusals += rows.refusals
        self._open.filtered.extend(rows.filtered)
        self._open.filtered_ids += rows.filtered_ids
        self._open.notes += rows.notes
        start, spans = 0, rows.spans
        while start < rows.count:
            stop = min(start + self._batch_size - self._open.count, rows.count)
            text = rows.text(start, stop)
            if self._open.text_bytes + len(text) > BLOCK_BYTES_MAX and self._open.count:
                yield self._close(before=first_place(spans).row)
            taken, spans = (spans, []) if stop - start == rows.count else cut_spans(spans, stop - start)
            self._open.extend(rows, start, stop, text, taken)
            self._open.source_bytes += shares.up_to(stop)
            start = stop
            if self._open.count == self._batch_size:
                yield self._close(before=first_place(spans).row if spans else None)
        self._open.source_bytes += shares.up_to(rows.count)
        if len(self._open.refusals) >= REFUSALS_MAX:
            yield self._close()

    def finish(self) -> Iterator[Block]:
        """Yield what is left at the end of the file."""
        if self._open.count or self._open.refusals or self._open.filtered or self._open.notes:
            yield self._close()

    def _close(self, before: int | None = None) -> Block:
        """Close the open block; what is no record behind the row `before` waits for the next one."""
        closed, self._open = self._open, _OpenBlock()
        if before:
            self._open.refusals = [refusal for refusal in closed.refusals if refusal.place.row > before]
            closed.refusals = [refusal for refusal in closed.refusals if refusal.place.row < before]
            closed.filtered, self._open.filtered = closed.filtered.split_at_row(before)
            self._open.filtered_ids = closed.filtered_ids  # whose rows they are of is not known, and of no matter
            closed.filtered_ids = []
        return closed.block()


class _OpenBlock(Struct):
    """The block being filled."""

    count: int = 0
    spans: SpanList = field(default_factory=SpanList)
    refusals: list[Refusal] = field(default_factory=list)
    source_bytes: int = 0
    filtered: SpanList = field(default_factory=SpanList)
    filtered_ids: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    text_bytes: int = 0
    _texts: list[bytes | memoryview] = field(default_factory=list)
    _ids: list[str] | None = field(default_factory=list)
    _id_numbers: list[bytes] | None = field(default_factory=list)
    _routed_by: list[str] | None = field(default_factory=list)

    def extend(self, rows: Rows, start: int, stop: int, text: bytes | memoryview, spans: Sequence[Span]) -> None:
        self.count += stop - start
        if rows.ids is None:
            self._ids = None
        elif self._ids is not None:
            self._ids += rows.ids[start:stop]
        if rows.id_numbers is None:
            self._id_numbers = None
        elif self._id_numbers is not None:
            self._id_numbers.append(rows.id_numbers[ID_NUMBER_BYTES * start : ID_NUMBER_BYTES * stop])
        if rows.routed_by is None:
            self._routed_by = None
        elif self._routed_by is not None:
            self._routed_by += rows.routed_by[start:stop]
        self.spans.extend(spans)
        self.text_bytes += len(text)
        self._texts.append(text)

    def block(self) -> Block:
        lines = b"\n".join(self._texts)
        return Block(
            ids=LineIds(JoinedLines(lines), self.count) if self._ids is None else self._ids,
            lines=lines,
            id_numbers=None if self._id_numbers is None else b"".join(self._id_numbers),
            spans=self.spans.in_one_form,
            refusals=self.refusals,
            source_bytes=self.source_bytes,
            filtered=self.filtered,
            filtered_ids=self.filtered_ids,
            notes=self.notes,
            routed_by=self._routed_by,
        )


_HALVED_FROM = 64
"""Fewer rows are looked at one by one."""

ROWS_FROM = 16
"""Where one row in so many is missing, or more, rows as they are take less time and memory than spans."""


def spans_of(path: str, rows: Sequence[int]) -> Sequence[Span]:
    """Return the places of ascending rows as spans, or as rows if very many are missing between them."""
    if len(rows) >= _HALVED_FROM and (rows[-1] - rows[0] + 1 - len(rows)) * ROWS_FROM > len(rows):
        return RowSpans([(path, array("Q", rows).tobytes())])
    return _list_of_spans(path, rows)


def _list_of_spans(path: str, rows: Sequence[int]) -> list[Span]:
    if not rows:
        return []
    if rows[-1] - rows[0] == len(rows) - 1:
        return [Span(path, rows[0], len(rows))]
    if len(rows) < _HALVED_FROM:
        return _spans_of_few(path, rows)
    half = len(rows) // 2
    spans = _list_of_spans(path, rows[:half])
    extend_spans(spans, _list_of_spans(path, rows[half:]))
    return spans


def _spans_of_few(path: str, rows: Sequence[int]) -> list[Span]:
    spans = []
    first = last = rows[0]
    for row in rows[1:]:
        if row != last + 1:
            spans.append(Span(path, first, last - first + 1))
            first = row
        last = row
    spans.append(Span(path, first, last - first + 1))
    return spans
