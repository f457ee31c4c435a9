"""Encoded rows of any number → blocks of even size, so that a block can become a chunk without being cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from engine.errors import SourceUntrusted
from engine.records import Block, Refusal, Span, cut_spans, join_spans

REFUSALS_MAX = 1_000
"""So many refusals end a block that is not full, so that bad input can't fill the memory."""


@dataclass(slots=True)
class EncodedRows:
    """Some rows as records. Each of `lines` ends with a newline."""

    ids: list[str]
    lines: pa.StringArray
    spans: list[Span]
    refusals: list[Refusal]


def even_blocks(rows: Iterable[tuple[EncodedRows, int]], block_records: int) -> Iterator[Block]:
    """Yield blocks of exactly `block_records` records, the last one smaller, of rows that come in any number.

    Beside some rows stands how many bytes of the file, as stored, had been read for all rows up to them.

    Raises:
        SourceUntrusted: what `rows` raises, after everything before was yielded.
    """
    cutter = _BlockCutter(block_records)
    source_bytes = 0
    try:
        for encoded, read_bytes in rows:
            yield from cutter.add(encoded, read_bytes - source_bytes)
            source_bytes = read_bytes
    except SourceUntrusted:
        yield from cutter.finish()
        raise
    yield from cutter.finish()


class _BlockCutter:
    """The block being filled, and when to close it."""

    def __init__(self, block_records: int) -> None:
        self._block_records = block_records
        self._open = _OpenBlock()

    def add(self, rows: EncodedRows, source_bytes: int) -> Iterator[Block]:
        """Take the next rows, for which `source_bytes` were read; yield the blocks that they complete."""
        self._open.source_bytes += source_bytes
        self._open.refusals += rows.refusals
        start, spans = 0, rows.spans
        while start < len(rows.ids):
            count = min(self._block_records - len(self._open.ids), len(rows.ids) - start)
            taken, spans = cut_spans(spans, count)
            self._open.extend(rows.ids[start : start + count], _bytes_of(rows.lines.slice(start, count)), taken)
            start += count
            if len(self._open.ids) == self._block_records:
                yield self._close(before=spans[0] if spans else None)
        if len(self._open.refusals) >= REFUSALS_MAX:
            yield self._close()

    def finish(self) -> Iterator[Block]:
        """Yield what is left at the end of the file."""
        if self._open.ids or self._open.refusals:
            yield self._close()

    def _close(self, before: Span | None = None) -> Block:
        """Close the open block; refusals behind the start of `before` wait for the next one."""
        closed, self._open = self._open, _OpenBlock()
        if before:
            self._open.refusals = [refusal for refusal in closed.refusals if refusal.place.row > before.first_row]
            closed.refusals = [refusal for refusal in closed.refusals if refusal.place.row < before.first_row]
        return closed.block()


@dataclass(slots=True)
class _OpenBlock:
    """The block being filled."""

    ids: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    source_bytes: int = 0
    _lines: list[memoryview] = field(default_factory=list)

    def extend(self, ids: list[str], lines: memoryview, spans: list[Span]) -> None:
        self.ids += ids
        self.spans += spans
        self._lines.append(lines)

    def block(self) -> Block:
        if self._lines:
            self._lines[-1] = self._lines[-1][:-1]  # the last newline
        return Block(self.ids, b"".join(self._lines), join_spans(self.spans), self.refusals, self.source_bytes)


def _bytes_of(lines: pa.StringArray) -> memoryview:
    offsets = memoryview(lines.buffers()[1]).cast("i")
    return memoryview(lines.buffers()[2])[offsets[lines.offset] : offsets[lines.offset + len(lines)]]
