"""CSV and TSV sources: text in, blocks of canonical records out.

Rows are counted from 1 below the header. A record is one row however many lines it takes, and so is each line that is
no record; empty lines are none. An empty cell, quoted or not, is a null. How the text is written is found out in
`dialect.py`, its columns in `header.py`, its rows in `table.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

import pyarrow as pa

from engine.sources.columns.column_text import JsonText
from engine.sources.columns.mapping import ColumnMapping, map_columns
from engine.sources.columns.rows import EncodedRows, RowEncoder
from engine.sources.columns.shaped import shaped_text
from engine.sources.csv.dialect import HEAD_BYTES, detect_dialect
from engine.sources.csv.header import Header, read_header
from engine.sources.csv.pieces import CsvText
from engine.sources.csv.table import CsvTable, TextRows
from engine.sources.csv.text import Dialect
from engine.sources.spec import SourceSpec
from engine.sources.stored.ahead import in_order, readers
from engine.sources.stored.inputs import InputFile

LOOKED_AT_RECORD_BYTES_MAX = 8_000_000
"""A longer record is passed over where a file is only looked at."""


def look(file: InputFile, spec: SourceSpec) -> None:
    """Read the header of a file and apply the mapping to it; see `FormatReader`."""
    with file.open() as stream:
        _map(read_header(CsvText(stream), file, spec), file, spec)


def read_rows(
    file: InputFile, spec: SourceSpec, record_bytes_max: int, _seen: set[str]
) -> Generator[tuple[EncodedRows, int]]:
    """Yield the records of one CSV or TSV file, a piece of its text at a time; see `FormatReader`.

    Raises:
        ConfigError: the mapping does not fit the columns of the header.
        SourceMissing: the file has gone, or is empty.
        SourceUntrusted: it can't be read or is damaged, and everything good before was yielded; or its header is
            broken, or lacks a name that is needed.
    """
    with file.open() as stream:
        text = CsvText(stream)
        header = read_header(text, file, spec)
        mapping = _map(header, file, spec)
        encoder = RowEncoder(
            file.path, mapping, _as_it_is, shaped_text, no_id="id is empty", record_bytes_max=record_bytes_max
        )
        table = CsvTable(file, text, header, mapping.read, mapping.id_index, record_bytes_max)
        notes = header.notes

        def encoded(piece: TextRows) -> tuple[EncodedRows, int]:
            rows = encoder.encode(dict(zip(mapping.read, piece.columns, strict=True)), piece.rows)
            rows.refusals = sorted([*rows.refusals, *piece.refusals], key=lambda refusal: refusal.place.row)
            return rows, piece.stored_bytes

        # Nothing may wait in another thread for more standard input: it would keep a stopped process alive.
        with closing(in_order(table.rows(), encoded, 0 if file.is_stdin else readers())) as pieces:
            for rows, stored_bytes in pieces:
                rows.notes, notes = [*rows.notes, *notes], []
                yield rows, stored_bytes


def _map(header: Header, file: InputFile, spec: SourceSpec) -> ColumnMapping:
    """Apply the mapping to a header; a column without a name is not sent unless it is listed."""
    unnamed = {name for name in header.names if not name.strip()}.difference(spec.fields or ())
    spec = replace(spec, exclude=spec.exclude | unnamed)
    return map_columns(header.names, spec, file.name, is_text=True, keys=file.keys)


@contextmanager
def open_table(
    file: InputFile, spec: SourceSpec, id_of: Callable[[Sequence[str]], int]
) -> Iterator[tuple[Header, Iterator[TextRows]]]:
    """Open a file to look at all of its columns; return its header, and its rows as they come.

    Args:
        file: The file.
        spec: What is known of it already; it need not name an id.
        id_of: Returns the position of the id among the names of the columns.

    Raises:
        EngineError: as `read_rows` does.
    """
    with file.open() as stream:
        text = CsvText(stream)
        header = read_header(text, file, spec)
        everything = range(len(header.names))
        table = CsvTable(file, text, header, everything, id_of(header.names), LOOKED_AT_RECORD_BYTES_MAX)
        with closing(table.rows()) as rows:
            yield header, rows


def dialect_of(file: InputFile, spec: SourceSpec) -> Dialect:
    """Return how a file is written.

    Raises:
        SourceMissing: it has gone.
        SourceUntrusted: it can't be read.
    """
    with file.open() as stream:
        return detect_dialect(stream.read(HEAD_BYTES), file.format, spec)


def _as_it_is(text: pa.StringArray) -> JsonText:
    return JsonText(text, quoted=False)
