"""Regular pieces of a CSV file, read by Arrow; it only proves that nothing in them needs a closer look."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from engine.sources.columns.acceleration import may_hold
from engine.sources.csv.acceleration import split_cells
from engine.sources.csv.header import Header
from engine.sources.csv.not_records import AROUND_NAMES
from engine.sources.csv.text import Dialect
from engine.sources.json_text import BOM
from engine.sources.ndjson.utf8 import check_natively
from engine.sources.stored.line_slices import count_byte

_BEFORE, _BEHIND = pa.scalar(-1, pa.int64()), pa.scalar(1, pa.int64())


class NativeReader:
    """Reads pieces of one file.

    Args:
        header: The names of the columns, and how the file is written.
        wanted: The positions of the columns to return, ascending.
        id_index: The position of the id's column, if the file has one.
    """

    def __init__(self, header: Header, wanted: Sequence[int], id_index: int) -> None:
        self._dialect = header.dialect
        self._wanted = wanted
        self._telling = wanted.index(id_index) if id_index in wanted else 0
        self._to_be_empty = header.to_be_empty
        self._names = _folded(pa.array(header.names, pa.string()))
        self._name_texts = self._names.to_pylist()
        self._columns = [str(index) for index in range(len(header.names))]
        self._read = sorted({*wanted, *header.to_be_empty})
        marks = header.dialect.delimiter + header.dialect.quote + header.dialect.escape
        self._parse = _parse_options(header.dialect) if marks.isascii() else None
        self._convert, self._convert_utf8 = (
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(self._columns, pa.string()),
                include_columns=[self._columns[index] for index in self._read],
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=check_utf8,
            )
            for check_utf8 in (True, False)
        )

    def read(self, data: bytes, end: int) -> list[pa.StringArray] | None:
        """Return the wanted columns of `data[:end]`, whole records; None if anything in it is unusual."""
        quote, escape = self._dialect.quote.encode(), self._dialect.escape.encode()
        if not end or self._parse is None or (escape and escape in data) or _has_bom(data):
            return None
        has_quotes = bool(quote) and data.find(quote, 0, end) >= 0
        if has_quotes and not quotes_are_regular(data, end, self._dialect):
            return None
        found = self._cells(data, end, has_quotes=has_quotes)
        if found is None:
            return None
        if has_quotes and not lines_are_rows(data, end, max(map(len, found))):
            return None
        columns = dict(zip(self._read, found, strict=True))
        if any(columns[index].null_count < len(columns[index]) for index in self._to_be_empty):
            return None
        return None if self._has_header(columns[self._wanted[self._telling]]) else [columns[i] for i in self._wanted]

    def _cells(self, data: bytes, end: int, *, has_quotes: bool) -> list[pa.StringArray] | None:
        """Return the columns that are read; None if rows differ in length, or a cell that is read is not UTF-8."""
        piece = data if end == len(data) else memoryview(data)[:end]
        # To look at all bytes at once is faster than at each cell; but in what is not sent, nothing matters.
        is_utf8 = data.isascii() or check_natively(piece)
        if is_utf8 and not has_quotes:
            split = split_cells(data, end, self._dialect.delimiter.encode(), len(self._columns), self._read)
            if split is not None:
                return split
        options = arrow_csv.ReadOptions(use_threads=False, block_size=end + 1, column_names=self._columns)
        convert = self._convert_utf8 if is_utf8 else self._convert
        try:
            table = arrow_csv.read_csv(pa.BufferReader(piece), options, self._parse, convert)
        except pa.ArrowInvalid:
            return None
        return [_whole(table.column(self._columns[index])) for index in self._read]

    def _has_header(self, telling: pa.StringArray) -> bool:
        if not may_hold(telling, self._name_texts):
            return False
        return bool(pc.is_in(_folded(telling), value_set=self._names).true_count)


def _whole(column: pa.ChunkedArray) -> pa.StringArray:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _folded(names: pa.StringArray) -> pa.StringArray:
    """Return names as `not_records.folded` does."""
    return pc.utf8_lower(pc.ascii_trim(names, AROUND_NAMES))


def _has_bom(data: bytes) -> bool:
    return BOM[:1] in data and BOM in data  # the search for one byte is the faster by far


def _parse_options(dialect: Dialect) -> arrow_csv.ParseOptions:
    return arrow_csv.ParseOptions(
        delimiter=dialect.delimiter, quote_char=dialect.quote or False, newlines_in_values=bool(dialect.quote)
    )


def quotes_are_regular(data: bytes, end: int, dialect: Dialect) -> bool:
    """Return whether each quote in `data[:end]` opens a cell, closes one, or is doubled inside one.

    Counted from 0, the even ones must stand behind a delimiter, a line break or a quote, and the odd ones before one.
    By induction, what is between an even one and the next then is a cell, or part of one between doubled quotes.
    """
    framed = b"".join((b"\n", memoryview(data)[:end], b"\n"))
    values = pa.Array.from_buffers(pa.uint8(), len(framed), [None, pa.py_buffer(framed)])
    quote = pa.scalar(ord(dialect.quote), pa.uint8())
    positions = pc.indices_nonzero(pc.equal(values, quote)).cast(pa.int64())
    count = len(positions)
    if count % 2:
        return False
    are_even = pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(b"\x55" * (count // 8 + 1))])
    neighbours = values.take(pc.add(positions, pc.if_else(are_even, _BEFORE, _BEHIND)))
    marks = f"{dialect.delimiter}{dialect.quote}\r\n".encode()
    return not neighbours.buffers()[1].to_pybytes()[:count].translate(None, marks)


def lines_are_rows(data: bytes, end: int, rows: int) -> bool:
    """Return whether `data[:end]`, which holds so many rows, has as many line ends: then no cell holds one."""
    piece = data[:end]
    line_end = b"\n" if b"\n" in piece else b"\r"
    if line_end == b"\n" and b"\r" in piece and piece.count(b"\r") != piece.count(b"\r\n"):
        return False
    return count_byte(piece, line_end) + (not piece.endswith(line_end)) == rows
