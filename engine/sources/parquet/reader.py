"""Parquet sources: column by column to canonical records, with flat memory however large the row groups are."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from types import MappingProxyType

import pyarrow as pa

from engine.sources.columns.mapping import ColumnMapping, map_columns
from engine.sources.columns.plain import plain
from engine.sources.columns.repeated import is_of_few_texts
from engine.sources.columns.rows import EncodedRows, RowEncoder
from engine.sources.columns.shaped import shaped_json
from engine.sources.columns.text_form import is_bytes, text_form
from engine.sources.columns.to_json import is_id_type, unsupported
from engine.sources.parquet.opened import ParquetTable
from engine.sources.spec import SourceSpec
from engine.sources.stored.ahead import in_order, readers
from engine.sources.stored.inputs import InputFile
from engine.values import ConfigError, SourceMissing


def look(file: InputFile, spec: SourceSpec) -> None:
    """Read the schema of a file and apply the mapping to it; see `FormatReader`."""
    with ParquetTable(file) as table:
        if table.rows:  # else columns may lack their types
            map_schema(table.schema, spec, file.name, file.keys)


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
    with ParquetTable(file) as table:
        if not table.rows:
            return
        mapping = map_schema(table.schema, spec, file.name, file.keys)
        encoder = RowEncoder(
            file.path, mapping, text_form, shaped_json, no_id="id is null", record_bytes_max=record_bytes_max
        )
        names = {index: table.schema.names[index] for index in mapping.read}

        def encoded(piece: tuple[pa.RecordBatch, range]) -> tuple[EncodedRows, int]:
            batch, rows = piece
            columns = {index: _plain_or_few(batch.column(name)) for index, name in names.items()}
            # So large a part of the file's bytes as of its rows: which bytes were read for them does not show.
            return encoder.encode(columns, rows), (file.size or 0) * (rows.stop - 1) // table.rows

        with closing(in_order(_numbered(table.batches(mapping.read)), encoded, readers())) as batches:
            yield from batches


def _plain_or_few(column: pa.Array) -> pa.Array:
    return column if is_of_few_texts(column) else plain(column)


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, range]]:
    """Yield batches with the numbers of their rows, from 1."""
    row = 1
    for batch in batches:
        yield batch, range(row, row + len(batch))
        row += len(batch)


def map_schema(
    schema: pa.Schema, spec: SourceSpec, name: str, keys: Mapping[str, str | None] = MappingProxyType({})
) -> ColumnMapping:
    """Apply the mapping, and check that every column that takes part has a type that can be sent.

    `name` is how messages call what has the columns; `keys` are columns of text that all rows have besides.

    Raises:
        ConfigError: the mapping does not fit them.
    """
    mapping = map_columns(schema.names, spec, name, is_text=False, keys=keys)
    mistakes = []
    if mapping.id_index not in mapping.given:
        id_type = schema.field(mapping.id_index).type
        as_text = is_bytes(id_type) and spec.shape_of(mapping.id).type == "string"
        if not is_id_type(id_type) and not as_text:
            mistakes.append(
                f"source.id: column {mapping.id!r} holds {id_type}; ids must be text or integers"
                f"{_as_text(mapping.id, id_type)}"
            )
    for column in mapping.sent:
        type_ = pa.string() if column.index in mapping.given else schema.field(column.index).type
        found = unsupported(type_)
        if found and not (is_bytes(type_) and column.shaper.type):
            mistakes.append(
                f"source.exclude: column {column.name!r} holds {found}, which has no JSON form; leave it out"
                f"{_as_text(column.name, type_)}"
            )
    looked_at = [("source.where", condition.index) for condition in mapping.conditions]
    looked_at += [] if mapping.route_index is None else [("route.column", mapping.route_index)]
    for key, index in looked_at:
        type_ = pa.string() if index in mapping.given else schema.field(index).type
        if unsupported(type_) and not is_bytes(type_):
            mistakes.append(f"{key}: column {schema.names[index]!r} holds {type_}, which has no text to compare with")
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return mapping


def _as_text(name: str, type_: pa.DataType) -> str:
    """Return how bytes are read as text, to go behind a sentence."""
    return f', or read it as text: source.columns {name!r} with type = "string"' if is_bytes(type_) else ""
