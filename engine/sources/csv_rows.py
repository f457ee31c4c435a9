"""CSV row by row: the exact meaning of every row, also of those that are no record.

The rules are those of the standard library's csv module (RFC 4180, with CRLF or LF); a fast path must agree with them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TextIO

import orjson

from engine.errors import SourceUntrusted
from engine.records import Block, Place, Refusal, Span, join_spans
from engine.sources.cells import NAMES, READERS, NotOfType
from engine.sources.columns import Mapping

RAW_CHARACTERS_MAX = 10_000


@dataclass(slots=True)
class RowCollector:
    """Turns rows into the records and refusals of a block."""

    mapping: Mapping
    path: str
    width: int
    record_bytes_max: int
    ids: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, row: int, cells: Sequence[str]) -> None:
        """Take data row `row` (counted from 1)."""
        reason = self._misshapen(cells)
        if reason is not None:
            raw = ",".join(cells)[:RAW_CHARACTERS_MAX].encode("utf-8", "replace").decode()
            self.refusals.append(Refusal(reason, Place(self.path, row), raw=raw))
            return
        record_id = cells[self.mapping.id_index]
        data, reason = self._data(cells)
        if not record_id:
            reason = "id is empty"
        if reason is None:
            line = b'{"id":' + orjson.dumps(record_id) + b',"data":' + data + b"}"
            if len(line) <= self.record_bytes_max:
                self.ids.append(record_id)
                self.lines.append(line)
                self.rows.append(row)
                return
            reason = f"the record is longer than {self.record_bytes_max:,} bytes"
        self.refusals.append(Refusal(reason, Place(self.path, row), record_id, data[: self.record_bytes_max]))

    def take_block(self, source_bytes: int) -> Block:
        """Return what was collected, and start anew."""
        spans = join_spans(Span(self.path, row, 1) for row in self.rows)
        block = Block(self.ids, b"\n".join(self.lines), spans, self.refusals, source_bytes)
        self.ids, self.lines, self.rows, self.refusals = [], [], [], []
        return block

    def _misshapen(self, cells: Sequence[str]) -> str | None:
        if len(cells) != self.width:
            return f"the row has {'more' if len(cells) > self.width else 'fewer'} cells than the header"
        if any(not cell.isascii() and _is_broken(cell) for cell in cells):
            return "not valid UTF-8"
        return None

    def _data(self, cells: Sequence[str]) -> tuple[bytes, str | None]:
        """Return the data object, and the reason why it is not valid, if it is not."""
        parts: list[bytes] = []
        reason: str | None = None
        for column in self.mapping.sent:
            text = cells[column.index]
            if not text:
                value = b"null" if self.mapping.send_nulls else None
            else:
                try:
                    value = READERS[column.type](text)
                except NotOfType:
                    reason = reason or f"column {column.name!r} is not {NAMES[column.type]}"
                    value = orjson.dumps(text)
            if value is not None:
                parts.append(orjson.dumps(column.field) + b":" + value)
        if not parts:
            reason = "data has no fields"
        return b"{" + b",".join(parts) + b"}", reason


def read_rows(stream: io.BufferedReader, delimiter: str, path: str, record_bytes_max: int) -> Iterator[list[str]]:
    """Yield the rows of a CSV stream, blank lines left out, bytes that are no UTF-8 as lone surrogates.

    Raises:
        SourceUntrusted: a row is too long to be one: a quote was opened and never closed, most likely.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    csv.field_size_limit(record_bytes_max)
    reader = csv.reader(_lines_within(text, record_bytes_max), delimiter=delimiter, strict=True)
    row = 0
    while True:
        started_at = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SourceUntrusted(
                f"{path}, line {started_at} (data row {row}): the CSV is damaged ({error}); often a quote is opened "
                "there and never closed"
            ) from None
        if cells:
            yield cells
            row += 1


def _lines_within(text: TextIO, characters_max: int) -> Iterator[str]:
    """Yield lines, an endless one in pieces: the reader then sees that its field grows too long."""
    while line := text.readline(characters_max):
        yield line


def _is_broken(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return True
    return False
