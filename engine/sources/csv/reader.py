"""CSV and TSV sources: text in, blocks of canonical records out.

Rows are counted from 1 below the header; a record is one row however many lines it takes, and empty lines are none. If
the header is a single column by the delimiter that the format names, but several by a semicolon, a tab or a bar, that
one is the delimiter. An empty cell, quoted or not, is a null.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

import pyarrow as pa

from engine.sources.columns.column_text import JsonText
from engine.sources.columns.mapping import map_columns
from engine.sources.columns.rows import EncodedRows, RowEncoder
from engine.sources.columns.shaped import shaped_text
from engine.sources.csv.table import PIECE_BYTES, CsvTable, CsvText
from engine.sources.csv.text import RecordReader, find_delimiter
from engine.sources.formats import FORMATS
from engine.sources.json_text import BOM, not_utf8
from engine.sources.spec import SourceSpec
from engine.sources.stored.ahead import one_ahead
from engine.sources.stored.inputs import InputFile
from engine.values import SourceMissing, SourceUntrusted


def look(file: InputFile, spec: SourceSpec) -> None:
    """Read the header of a file and apply the mapping to it; see `FormatReader`."""
    with file.open() as stream:
        header, _ = _read_header(CsvText(stream), file)
    map_columns(header, spec, file.name, is_text=True, keys=file.keys)


def read_rows(
    file: InputFile, spec: SourceSpec, record_bytes_max: int, _seen: set[str]
) -> Generator[tuple[EncodedRows, int]]:
    """Yield the records of one CSV or TSV file, a piece of its text at a time; see `FormatReader`.

    Raises:
        ConfigError: the mapping does not fit the columns of the header.
        SourceMissing: the file has gone, or is empty.
        SourceUntrusted: it can't be read or is damaged, and everything good before was yielded; or it has no header
            that names every column.
    """
    with file.open() as stream:
        text = CsvText(stream)
        header, delimiter = _read_header(text, file)
        mapping = map_columns(header, spec, file.name, is_text=True, keys=file.keys)
        encoder = RowEncoder(
            file.path, mapping, _as_it_is, shaped_text, no_id="id is empty", record_bytes_max=record_bytes_max
        )
        table = CsvTable(file, text, delimiter, len(header), mapping.read, record_bytes_max)
        # Nothing may wait in a second thread for more standard input: it would keep a stopped process alive.
        with closing(table.rows() if file.is_stdin else one_ahead(table.rows())) as pieces:
            for columns, rows, refusals, stored_bytes in pieces:
                encoded = encoder.encode(dict(zip(mapping.read, columns, strict=True)), rows)
                encoded.refusals = sorted([*encoded.refusals, *refusals], key=lambda refusal: refusal.place.row)
                yield encoded, stored_bytes


def _read_header(text: CsvText, file: InputFile) -> tuple[list[str], str]:
    """Take the header from the piece; return the names of the columns and the delimiter."""
    text.fill(PIECE_BYTES)
    if text.damage and not text.data:
        raise text.damage
    if text.data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in text.data[:4]:
        raise not_utf8(file.name)
    text.data = text.data.removeprefix(BOM).lstrip(b"\r\n")
    if not text.data:
        raise SourceMissing(f"{file.name} is empty: it has not even a header")
    decoded = text.data.decode(errors="surrogateescape")
    delimiter = find_delimiter(decoded, FORMATS[file.format].delimiter or ",")
    record = next(iter(RecordReader(decoded, delimiter, ended=text.ended)), None)
    if record is None and text.damage:
        raise text.damage
    if record is None:
        raise SourceUntrusted(f"{file.name} has no header: its first line does not end, or a quote in it is not closed")
    header = decoded[: record.end].encode(errors="surrogateescape")
    text.drop(len(header))
    if record.problem:
        raise SourceUntrusted(f"{file.name}: the header is broken: {record.problem}")
    try:
        header.decode()
    except UnicodeDecodeError:
        raise SourceUntrusted(
            f'{file.name}: the header is not valid UTF-8; set source.encoding, such as "windows-1252", or convert the '
            "file to UTF-8"
        ) from None
    _check_names(record.cells, file)
    return record.cells, delimiter


def _check_names(names: Sequence[str], file: InputFile) -> None:
    """Refuse a header that does not name every column."""
    unnamed = [str(number) for number, name in enumerate(names, 1) if not name]
    if unnamed:
        raise SourceUntrusted(f"{file.name}: the header has no name for column {', '.join(unnamed)}")


def _as_it_is(text: pa.StringArray) -> JsonText:
    return JsonText(text, quoted=False)
