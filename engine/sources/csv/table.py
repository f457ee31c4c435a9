"""The rows of a CSV file as columns of text: natively where that is safe, exactly everywhere else.

The file is read some megabytes at a time. A piece whose records all are regular goes through a native reader; a piece
with anything unusual (ragged rows, stray quotes, bytes that are not UTF-8) is read by `text.py`, which says what
CSV means here.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as native

from engine.sources.columns.rows import overlong
from engine.sources.csv.text import RecordReader, TextRecord, whole_records_end
from engine.sources.json_text import text_of
from engine.sources.stored.inputs import InputFile, InputStream
from engine.values import Place, Refusal, SourceUntrusted

PIECE_BYTES = 2 << 20
"""How much is read at once: large enough that the cost of a call does not matter, small enough to keep memory flat."""

_QUOTE = pa.scalar(ord('"'), pa.uint8())
_BEFORE, _BEHIND = pa.scalar(-1, pa.int64()), pa.scalar(1, pa.int64())


class TextRows(NamedTuple):
    """Some rows of a file.

    `columns` are the wanted ones, in which an empty cell is null; `rows` are the numbers of their rows, ascending.
    `refusals` are the other rows. `stored_bytes` is how much of the file, as stored, has been read by now.
    """

    columns: list[pa.StringArray]
    rows: Sequence[int]
    refusals: list[Refusal]
    stored_bytes: int


class CsvText:
    """The bytes of a file that were read and not yet used; they begin with a record."""

    def __init__(self, stream: InputStream) -> None:
        self.data = b""
        self.ended = False
        self.damage: SourceUntrusted | None = None
        self._stream = stream

    def fill(self, size: int) -> None:
        """Read on until there are `size` bytes or there is no more; a damaged spot ends the data, too."""
        while len(self.data) < size and not self.ended and not self.damage:
            try:
                part = self._stream.read(size - len(self.data))
            except SourceUntrusted as damage:
                self.damage = damage
                return
            self.ended = not part
            self.data = self.data + part if self.data else part

    def drop(self, size: int) -> None:
        """Forget the first `size` bytes: they have been used."""
        self.data = self.data[size:]

    @property
    def stored_bytes(self) -> int:
        """How many bytes of the file, as stored, were read."""
        return self._stream.stored_bytes

    @property
    def has_more(self) -> bool:
        """Whether reading on may add to the data."""
        return not self.ended and not self.damage


class CsvTable:
    """What follows the header of one file.

    Args:
        file: The file.
        text: Its bytes, behind the header.
        delimiter: What stands between two cells.
        width: How many cells a row has.
        wanted: The positions of the columns to return.
        record_bytes_max: A record that takes more text is refused, unless it happens to fit.
    """

    def __init__(
        self,
        file: InputFile,
        text: CsvText,
        delimiter: str,
        width: int,
        wanted: Sequence[int],
        record_bytes_max: int,
    ) -> None:
        self._file = file
        self._text = text
        self._delimiter = delimiter
        self._width = width
        self._wanted = wanted
        self._record_bytes_max = record_bytes_max
        self._row = 1
        self._in_quotes = False
        self._names = [str(index) for index in range(width)]
        self._parse = native.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        self._convert = native.ConvertOptions(
            column_types=dict.fromkeys(self._names, pa.string()),
            include_columns=[self._names[index] for index in sorted(set(wanted))],
            null_values=[""],
            strings_can_be_null=True,
        )

    def rows(self) -> Generator[TextRows]:
        """Yield all rows, piece by piece.

        Raises:
            SourceUntrusted: the file is damaged, or it ends inside a quoted cell; all whole records were yielded.
        """
        text, size = self._text, PIECE_BYTES
        while True:
            text.fill(size)
            if not text.data:
                break
            rows, used = self._read()
            if used:
                yield rows
                text.drop(used)
                size = PIECE_BYTES
            elif not text.has_more:
                break
            elif len(text.data) > self._record_bytes_max:
                yield self._pass_over_record()
            else:
                size = 2 * len(text.data)
        if text.damage:
            raise text.damage
        if self._in_quotes:
            raise SourceUntrusted(
                f"{self._file.name}: a quoted cell that begins in data row {self._row} is never closed; the rows "
                "before it were read, and nothing after it can be trusted"
            )

    def _read(self) -> tuple[TextRows, int]:
        """Read the whole records that the text begins with; return how many bytes they took, 0 if there is none."""
        data, ended = self._text.data, self._text.ended
        self._in_quotes = False
        end = len(data) if ended else whole_records_end(data)
        if end and quotes_are_regular(data, end, self._delimiter):
            columns = self._read_natively(data if end == len(data) else memoryview(data)[:end])
            if columns is not None:
                rows = range(self._row, self._row + len(columns[0]))
                self._row += len(rows)
                return TextRows(columns, rows, [], self._text.stored_bytes), end
        return self._read_exactly(data, ended)

    def _read_natively(self, data: bytes | memoryview) -> list[pa.StringArray] | None:
        """Return the wanted columns, or None if any row is irregular."""
        options = native.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._names)
        try:
            table = native.read_csv(pa.BufferReader(data), options, self._parse, self._convert)
        except pa.ArrowInvalid:
            return None
        return [pa.concat_arrays(table.column(self._names[index]).chunks) for index in self._wanted]

    def _read_exactly(self, data: bytes, ended: bool) -> tuple[TextRows, int]:
        text = data.decode(errors="surrogateescape")
        reader = RecordReader(text, self._delimiter, ended=ended)
        cells: list[list[str]] = []
        rows: list[int] = []
        refusals: list[Refusal] = []
        for record in reader:
            problem = self._problem(record, text)
            if problem:
                raw = text[record.start : record.end].encode(errors="surrogateescape")
                refusals.append(Refusal(problem, Place(self._file.path, self._row), raw=text_of(raw)))
            else:
                cells.append(record.cells)
                rows.append(self._row)
            self._row += 1
        self._in_quotes = reader.in_quotes
        columns = [pa.array([record[index] or None for record in cells], pa.string()) for index in self._wanted]
        used = len(text[: reader.position].encode(errors="surrogateescape"))
        return TextRows(columns, rows, refusals, self._text.stored_bytes), used

    def _problem(self, record: TextRecord, text: str) -> str | None:
        try:
            text[record.start : record.end].encode()
        except UnicodeEncodeError:
            return "not valid UTF-8"
        if record.problem or len(record.cells) == self._width:
            return record.problem
        return f"the row has {'more' if len(record.cells) > self._width else 'fewer'} cells than the header"

    def _pass_over_record(self) -> TextRows:
        """Read on to the end of a record that does not fit into memory, and keep only its head."""
        text, refusals = self._text, []
        refusal = Refusal(overlong(self._record_bytes_max), Place(self._file.path, self._row), raw=text_of(text.data))
        in_quotes = False
        while (end := _record_end(text.data, in_quotes)) is None and text.has_more:
            in_quotes ^= text.data.count(b'"') % 2 == 1
            text.drop(len(text.data))
            text.fill(PIECE_BYTES)
        text.drop(len(text.data) if end is None else end)
        self._in_quotes = end is None and in_quotes
        if not self._in_quotes:  # else the end of the file has come too early
            refusals.append(refusal)
            self._row += 1
        nothing = [pa.array([], pa.string())] * len(self._wanted)
        return TextRows(nothing, [], refusals, self._text.stored_bytes)


def quotes_are_regular(data: bytes, end: int, delimiter: str) -> bool:
    """Return whether each quote in `data[:end]` opens a cell, closes one, or is doubled inside one.

    Counted from 0, the even ones must stand behind a delimiter, a line break or a quote, and the odd ones before one.
    By induction, what is between an even one and the next then is a cell, or part of one between doubled quotes.
    """
    if data.find(b'"', 0, end) < 0:
        return True
    framed = b"\n%b\n" % data[:end]
    values = pa.Array.from_buffers(pa.uint8(), len(framed), [None, pa.py_buffer(framed)])
    positions = pc.indices_nonzero(pc.equal(values, _QUOTE)).cast(pa.int64())
    count = len(positions)
    if count % 2:
        return False
    are_even = pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(b"\x55" * (count // 8 + 1))])
    neighbours = values.take(pc.add(positions, pc.if_else(are_even, _BEFORE, _BEHIND)))
    return not neighbours.buffers()[1].to_pybytes()[:count].translate(None, f'{delimiter}\r\n"'.encode())


def _record_end(data: bytes, in_quotes: bool) -> int | None:
    """Return where the record that `data` begins inside of ends: behind the first line feed outside quotes."""
    position = 0
    while True:
        if in_quotes:
            position = data.find(b'"', position) + 1
            if not position:
                return None
            in_quotes = False
        line_feed = data.find(b"\n", position)
        quote = data.find(b'"', position, line_feed if line_feed >= 0 else len(data))
        if quote < 0:
            return line_feed + 1 if line_feed >= 0 else None
        position, in_quotes = quote + 1, True
