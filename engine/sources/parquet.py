"""Parquet sources: column by column to canonical records, with flat memory however large the row groups are."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import pyarrow as pa
from pyarrow import parquet as native

from engine.sources.columns.mapping import ColumnMapping, map_columns
from engine.sources.columns.rows import EncodedRows, RowEncoder
from engine.sources.columns.shaped import shaped_json
from engine.sources.columns.text_form import is_bytes, text_form
from engine.sources.columns.to_json import is_id_type, unsupported
from engine.sources.shaping.shaper import Shaper
from engine.sources.spec import SourceSpec
from engine.sources.stored.ahead import one_ahead
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.store import StoredStream
from engine.values import ConfigError, SourceMissing, SourceUntrusted

BATCH_ROWS_MAX = 10_000
"""How many rows are decoded and encoded at once, if they are small."""

BATCH_BYTES = 16 << 20
"""About how much is decoded and encoded at once, by the sizes that the file states."""

BATCH_DECODED_BYTES_MAX = 64 << 20
"""What is encoded at once, by the real sizes: its JSON stays far below the 2 GB that one Arrow array can hold."""

_BUFFER_BYTES = 1 << 18
"""How much of each column is read at once. Without it, all of a row group's column would be."""


def read_rows(
    file: InputFile, spec: SourceSpec, record_bytes_max: int, _seen: set[str]
) -> Generator[tuple[EncodedRows, int]]:
    """Yield the records of one Parquet file, a batch of rows at a time; see `FormatReader`.

    Columns that are not sent are not read.

    Raises:
        ConfigError: the mapping does not fit the columns, or a column that is sent has a type without a JSON form.
        SourceMissing: the file has gone, or is empty.
        SourceUntrusted: it is not a Parquet file or is damaged; everything good before was yielded.
    """
    if file.size == 0:
        raise SourceMissing(f"{file.name} is empty")
    with file.open_stored() as stored, closing(_open(stored, file)) as table:
        mapping = _map(table.schema_arrow, spec, file)
        names = [table.schema_arrow.names[index] for index in mapping.read]
        encoder = RowEncoder(
            file.path, mapping, text_form, shaped_json, no_id="id is null", record_bytes_max=record_bytes_max
        )
        row = 1
        with closing(one_ahead(_batches(table, names, file))) as batches:
            for columns in batches:
                rows = range(row, row + len(columns[0]))
                row = rows.stop
                # So large a part of the file's bytes as of its rows: which bytes were read for them does not show.
                encoded = encoder.encode(dict(zip(mapping.read, columns, strict=True)), rows)
                yield encoded, (file.size or 0) * (row - 1) // table.metadata.num_rows


def _open(stored: StoredStream, file: InputFile) -> native.ParquetFile:
    try:
        # pre_buffer would keep everything that was read until the file is closed
        table = native.ParquetFile(stored, pre_buffer=False, buffer_size=_BUFFER_BYTES, page_checksum_verification=True)
        table.schema_arrow.to_string()  # raises if a name is not UTF-8
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise SourceUntrusted(
            f"{file.name} cannot be read as Parquet: it is damaged, incomplete or another format"
        ) from None
    return table


def _map(schema: pa.Schema, spec: SourceSpec, file: InputFile) -> ColumnMapping:
    """Apply the mapping, and check that every column that takes part has a type that can be sent."""
    mapping = map_columns(schema.names, spec, file.name, is_text=False, keys=file.keys)
    mistakes = []
    id_type = pa.string() if mapping.id_index in mapping.given else schema.field(mapping.id).type
    if not is_id_type(id_type):
        mistakes.append(f"source.id: column {mapping.id!r} holds {id_type}; ids must be text or integers")
    for column in mapping.sent:
        found = None if column.index in mapping.given else _unsupported(schema.field(column.name).type, column.shaper)
        if found:
            mistakes.append(
                f"source.exclude: column {column.name!r} holds {found}, which has no JSON form; leave it out"
            )
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return mapping


def _unsupported(type_: pa.DataType, shaper: Shaper) -> str | None:
    """Return what has no JSON form; bytes have one if they are declared to be text of some type."""
    return None if shaper.type and is_bytes(type_) else unsupported(type_)


def _batches(table: native.ParquetFile, names: Sequence[str], file: InputFile) -> Iterator[list[pa.Array]]:
    """Yield the columns of some rows at a time, of bounded size."""
    row = 1
    try:
        for batch in table.iter_batches(_batch_rows(table), columns=names, use_threads=False):
            for part in _bounded(batch):
                yield [part.column(name) for name in names]
                row += len(part)
    except (pa.ArrowException, OSError):
        raise SourceUntrusted(
            f"{file.name} is damaged behind row {row - 1}: its data cannot be read (was it copied completely?)"
        ) from None


def _batch_rows(table: native.ParquetFile) -> int:
    """Return how many rows to decode at once: fewer if they are large."""
    groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
    row_bytes = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    return max(1, min(BATCH_ROWS_MAX, BATCH_BYTES // max(row_bytes, 1)))


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Halve a batch until its parts are small: sizes in a file are of encoded values, which can be far smaller."""
    if batch.nbytes > BATCH_DECODED_BYTES_MAX and len(batch) > 1:
        half = len(batch) // 2
        yield from _bounded(batch.slice(0, half))
        yield from _bounded(batch.slice(half))
    else:
        yield batch
