"""CSV and TSV sources: text in, blocks of canonical records out.

The file is read some megabytes at a time. A piece whose records all are regular goes through a native reader; a piece
with anything unusual (ragged rows, stray quotes, bytes that are not UTF-8) is read by `csv_text.py`, which says what
CSV means here. Rows are counted from 1 below the header; a record is one row however many lines it takes, and empty
lines are none. If the header is a single column by the delimiter that the format names, but several by a semicolon, a
tab or a bar, that one is the delimiter. An empty cell, quoted or not, is a null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as native

from engine.errors import SourceMissing, SourceUntrusted
from engine.records import Block, Place, Refusal
from engine.sources.columnar import Field, RowEncoder, overlong
from engine.sources.columns import Mapping, map_columns
from engine.sources.csv_text import RecordReader, TextRecord, find_delimiter, whole_records_end
from engine.sources.even_blocks import BlockCutter, EncodedRows
from engine.sources.files import InputFile, InputStream
from engine.sources.json_columns import JsonText, escape
from engine.sources.ndjson_lines import text_of
from engine.sources.spec import SourceSpec
from engine.sources.typed_text import typed_json

PIECE_BYTES = 2 << 20
"""How much is read and encoded at once: large enough that the cost of a call does not matter, small enough to stay in
the caches and to keep memory flat."""

_DELIMITERS = {"csv": ",", "tsv": "\t"}
_BOM = b"\xef\xbb\xbf"
_QUOTE = ord('"')


def read_blocks(file: InputFile, spec: SourceSpec, *, block_records: int, record_bytes_max: int) -> Iterator[Block]:
    """Yield the records of one CSV or TSV file, `block_records` a block, the last one smaller.

    Raises:
        ConfigError: the mapping does not fit the columns of the header.
        SourceMissing: the file has gone, or is empty.
        SourceUntrusted: it can't be read or is damaged, and everything good before was yielded; or it has no header
            that names every column.
    """
    with file.open() as stream:
        piece = _Piece(stream)
        header, delimiter = _read_header(piece, file)
        table = _Table(file, header, delimiter, map_columns(header, spec, file.name), spec, record_bytes_max)
        cutter = BlockCutter(block_records)
        stored_bytes = 0
        for rows in _encoded(piece, table, record_bytes_max):
            yield from cutter.add(rows, file.stored_bytes_read() - stored_bytes)
            stored_bytes = file.stored_bytes_read()
        yield from cutter.finish()
        if piece.damage:
            raise piece.damage
        table.refuse_open_quote()


class _Piece:
    """The bytes that were read and not yet used; they begin with a record."""

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
    def has_more(self) -> bool:
        """Whether reading on may add to the data."""
        return not self.ended and not self.damage


def _encoded(piece: _Piece, table: _Table, record_bytes_max: int) -> Iterator[EncodedRows]:
    """Yield all rows behind the header, piece by piece; of a damaged file, what is left when its end is cut off."""
    size = PIECE_BYTES
    while True:
        piece.fill(size)
        if not piece.data:
            return
        rows, used = table.encode(piece.data, ended=piece.ended)
        if used:
            yield rows
            piece.drop(used)
            size = PIECE_BYTES
        elif not piece.has_more:
            return
        elif len(piece.data) > record_bytes_max:
            yield table.pass_over_record(piece)
        else:
            size = 2 * len(piece.data)


def _read_header(piece: _Piece, file: InputFile) -> tuple[list[str], str]:
    """Take the header from the piece; return the names of the columns and the delimiter."""
    piece.fill(PIECE_BYTES)
    if piece.damage and not piece.data:
        raise piece.damage
    if piece.data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in piece.data[:4]:
        raise SourceUntrusted(f"{file.name} is UTF-16 or UTF-32 text; convert it to UTF-8")
    piece.data = piece.data.removeprefix(_BOM).lstrip(b"\r\n")
    if not piece.data:
        raise SourceMissing(f"{file.name} is empty: it has not even a header")
    text = piece.data.decode(errors="surrogateescape")
    delimiter = find_delimiter(text, _DELIMITERS[file.format])
    record = next(iter(RecordReader(text, delimiter, ended=not piece.has_more)), None)
    if record is None:
        raise SourceUntrusted(f"{file.name} has no header: its first line does not end, or a quote in it is not closed")
    header = text[: record.end].encode(errors="surrogateescape")
    piece.drop(len(header))
    if record.problem:
        raise SourceUntrusted(f"{file.name}: the header is broken: {record.problem}")
    try:
        header.decode()
    except UnicodeDecodeError:
        raise SourceUntrusted(f"{file.name}: the header is not valid UTF-8; convert the file to UTF-8") from None
    _check_names(record.cells, file)
    return record.cells, delimiter


def _check_names(names: Sequence[str], file: InputFile) -> None:
    """Refuse a header that does not name every column."""
    unnamed = [str(number) for number, name in enumerate(names, 1) if not name]
    if unnamed:
        raise SourceUntrusted(f"{file.name}: the header has no name for column {', '.join(unnamed)}")


class _Table:
    """Encodes pieces of one file, natively where that is safe and exactly everywhere else, and counts its rows."""

    def __init__(
        self,
        file: InputFile,
        header: Sequence[str],
        delimiter: str,
        mapping: Mapping,
        spec: SourceSpec,
        record_bytes_max: int,
    ) -> None:
        self._file = file
        self._delimiter = delimiter
        self._columns = len(header)
        self._row = 1
        self._row_of_open_quote: int | None = None
        self._record_bytes_max = record_bytes_max
        self._wanted = [mapping.id_index, *[column.index for column in mapping.sent]]
        self._encoder = RowEncoder(
            file.path,
            _id_to_json,
            [Field(column.name, column.field, partial(typed_json, type_=column.type)) for column in mapping.sent],
            nulls=spec.nulls,
            no_id="id is empty",
            record_bytes_max=record_bytes_max,
        )
        names = [str(index) for index in range(self._columns)]
        self._parse = native.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        self._names = names
        self._convert = native.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=[names[index] for index in sorted(set(self._wanted))],
            null_values=[""],
            strings_can_be_null=True,
        )

    def encode(self, data: bytes, *, ended: bool) -> tuple[EncodedRows, int]:
        """Encode the whole records that `data` begins with; return how many bytes they took, 0 if there is none."""
        self._row_of_open_quote = None
        end = len(data) if ended else whole_records_end(data)
        if end and _quotes_are_regular(data, end, self._delimiter):
            columns = self._read_natively(data if end == len(data) else memoryview(data)[:end])
            if columns is not None:
                return self._encode_columns(columns), end
        return self._read_exactly(data, ended)

    def pass_over_record(self, piece: _Piece) -> EncodedRows:
        """Read on to the end of a record that does not fit into memory, and keep only its head."""
        refusal = Refusal(overlong(self._record_bytes_max), Place(self._file.path, self._row), raw=text_of(piece.data))
        in_quotes = False
        while (end := _record_end(piece.data, in_quotes)) is None and piece.has_more:
            in_quotes ^= piece.data.count(b'"') % 2 == 1
            piece.data = b""
            piece.fill(PIECE_BYTES)
        piece.drop(len(piece.data) if end is None else end)
        if end is None and in_quotes:
            return EncodedRows([], pa.array([], pa.string()), [], [])  # the end of the file will tell
        self._row_of_open_quote = None
        self._row += 1
        return EncodedRows([], pa.array([], pa.string()), [], [refusal])

    def refuse_open_quote(self) -> None:
        """Raise SourceUntrusted if the file ended inside a quoted cell."""
        if self._row_of_open_quote is not None:
            raise SourceUntrusted(
                f"{self._file.name}: a quoted cell that begins in data row {self._row_of_open_quote} is never closed; "
                "the rows before it were read, and nothing after it can be trusted"
            )

    def _read_natively(self, data: bytes | memoryview) -> list[pa.Array] | None:
        """Return the wanted columns, or None if any row is irregular."""
        options = native.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._names)
        try:
            table = native.read_csv(pa.BufferReader(data), options, self._parse, self._convert)
        except pa.ArrowInvalid:
            return None
        return [pa.concat_arrays(table.column(self._names[index]).chunks) for index in self._wanted]

    def _encode_columns(self, columns: Sequence[pa.Array]) -> EncodedRows:
        count = len(columns[0])
        rows = self._encoder.encode(columns[0], columns[1:], range(self._row, self._row + count))
        self._row += count
        return rows

    def _read_exactly(self, data: bytes, ended: bool) -> tuple[EncodedRows, int]:
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
        self._row_of_open_quote = self._row if reader.in_quotes else None
        columns = [pa.array([record[index] or None for record in cells], pa.string()) for index in self._wanted]
        encoded = self._encoder.encode(columns[0], columns[1:], rows)
        encoded.refusals = sorted([*encoded.refusals, *refusals], key=lambda refusal: refusal.place.row)
        return encoded, len(text[: reader.position].encode(errors="surrogateescape"))

    def _problem(self, record: TextRecord, text: str) -> str | None:
        try:
            text[record.start : record.end].encode()
        except UnicodeEncodeError:
            return "not valid UTF-8"
        if record.problem or len(record.cells) == self._columns:
            return record.problem
        return f"the row has {'more' if len(record.cells) > self._columns else 'fewer'} cells than the header"


def _id_to_json(ids: pa.StringArray) -> JsonText:
    return JsonText(escape(ids), quoted=True)


def _quotes_are_regular(data: bytes, end: int, delimiter: str) -> bool:
    """Return whether each quote opens a cell, closes one, or is doubled inside one.

    Taken in pairs, the first of each pair must stand behind a delimiter, a line break or a quote, and the second
    before one. By induction, pairs then are cells (or parts of one, between doubled quotes).
    """
    if b'"' not in data:
        return True
    framed = b"\n%b\n" % data[:end]
    values = pa.Array.from_buffers(pa.uint8(), len(framed), [None, pa.py_buffer(framed)])
    positions = pc.indices_nonzero(pc.equal(values, pa.scalar(_QUOTE, pa.uint8())))
    if len(positions) % 2:
        return False
    pairs = pa.FixedSizeListArray.from_arrays(positions, 2)
    before = values.take(pc.subtract(pc.list_element(pairs, 0), 1))
    behind = values.take(pc.add(pc.list_element(pairs, 1), 1))
    borders = pa.array(f'{delimiter}\r\n"'.encode(), pa.uint8())
    both = pa.concat_arrays([before, behind])
    regular: bool = pc.all(pc.is_in(both, borders), min_count=0).as_py()
    return regular


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
