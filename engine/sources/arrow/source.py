"""Tables as a source: the rows of Arrow's columns become records by the same steps as those of Parquet.

Columns come as they lie in memory, and no value of them ever becomes a Python object. Batches are taken one after the
other as they are needed, so that a stream may be longer than the memory is large.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterable, Generator, Iterable, Iterator, Sized
from contextlib import closing
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa

from engine.sources.arrow.given import ARRAY, STREAM, is_read_again, tables_of
from engine.sources.columns.mapping import ColumnMapping
from engine.sources.columns.plain import plain
from engine.sources.columns.rows import EncodedRows, RowEncoder
from engine.sources.columns.shaped import shaped_json
from engine.sources.columns.text_form import text_form
from engine.sources.even_blocks import even_blocks
from engine.sources.pairs import LABEL
from engine.sources.parquet.batches import BATCH_BYTES, BATCH_ROWS_MAX, even
from engine.sources.parquet.reader import map_schema
from engine.sources.protocol import WithoutFiles
from engine.sources.spec import SourceSpec
from engine.sources.stored.ahead import in_order, readers
from engine.values import Block, ConfigError, SourceUntrusted

_NAMELESS_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name, as a column."""

_FAILURES = (pa.ArrowException, OSError)
"""What Arrow raises where whoever hands over a stream says that it has failed."""


class ArrowSource(WithoutFiles):
    """A source over tables, batches of rows, or anything that yields them, sync or async; see `Source`.

    An async iterable is advanced in the event loop that this is made in.

    Args:
        records: what hands over columns, or an iterable of it.
        spec: which columns are sent, and how; its `id` names one.
        batch_size: how many records a block has at most.
        record_bytes_max: a record whose line is longer, in bytes, is refused.
        label: how messages call the records, and their places.
    """

    def __init__(
        self,
        records: Iterable[Any] | AsyncIterable[Any],
        spec: SourceSpec,
        *,
        batch_size: int,
        record_bytes_max: int,
        label: str = LABEL,
    ) -> None:
        self.label = label
        self._records = records
        self._spec = spec
        self._batch_size = batch_size
        self._record_bytes_max = record_bytes_max
        self._loop = asyncio.get_running_loop() if isinstance(records, AsyncIterable) else None
        self._looked_at: Iterator[object] | None = None
        """What `look` has begun to read, and cannot be read again."""

    def look(self) -> None:
        """Hold the mapping against the columns of the first table; runs in a thread.

        Raises:
            ConfigError: it does not fit them, or what was given hands over no columns.
        """
        tables = tables_of(self._records, self._loop)
        first = next(tables, None)
        if first is None:
            return
        reader, is_held = _opened(first), is_read_again(first)
        if not (is_held and isinstance(first, Sized) and not len(first)):  # columns without rows may lack their types
            check_columns(reader.schema, self._spec, self.label)
        if not (is_held and is_read_again(self._records)):
            self._looked_at = chain((first if is_held else reader,), tables)

    def blocks(self) -> Iterator[Block]:
        """Yield the rows as records; runs in a thread."""
        tables, self._looked_at = self._looked_at or tables_of(self._records, self._loop), None
        with closing(self._rows(tables)) as rows:
            yield from even_blocks(rows, self._batch_size)

    def _rows(self, tables: Iterator[object]) -> Generator[tuple[EncodedRows, int]]:
        def encoded(piece: _Piece) -> tuple[EncodedRows, int]:
            return piece.encoder.encode(piece.columns, piece.rows), 0  # these are no bytes of any file

        with closing(in_order(self._pieces(tables), encoded, readers())) as rows:
            yield from rows

    def _pieces(self, tables: Iterator[object]) -> Iterator[_Piece]:
        """Yield the rows in pieces of bounded size, with how they are encoded and their numbers, from 1."""
        taking = _Taking(self._spec, self._record_bytes_max, self.label)
        row = 1
        for batch in even(taking.batches(tables), BATCH_ROWS_MAX):
            encoder, indices = taking.encoders[_key(batch.schema)]
            columns = dict(zip(indices, batch.columns, strict=True))
            yield _Piece(encoder, columns, range(row, row + len(batch)))
            row += len(batch)


class _Piece(NamedTuple):
    """Some rows: who encodes them, their columns by position, and their numbers."""

    encoder: RowEncoder
    columns: dict[int, pa.Array]
    rows: range


class _Taking:
    """Takes from each table the columns that are sent. The mapping is applied to each kind of table that comes."""

    def __init__(self, spec: SourceSpec, record_bytes_max: int, label: str) -> None:
        self._spec = spec
        self._label = label
        self._record_bytes_max = record_bytes_max
        self._mappings: dict[tuple[Any, ...], ColumnMapping] = {}
        self.encoders: dict[tuple[Any, ...], tuple[RowEncoder, list[int]]] = {}
        """By the schema of the columns that are sent: what encodes them, and their positions in the whole table."""

    def batches(self, tables: Iterator[object]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all tables, a few rows at a time, each value for itself.

        Raises:
            ConfigError: the first rows do not fit the mapping, or hand over no columns.
            SourceUntrusted: later ones do not, or a stream fails; all rows before that were yielded.
        """
        row = 0
        try:
            for table in map(_opened, tables):
                for batch in filter(len, table):
                    mapping = self._mapping(batch.schema)
                    for some in _slices(batch):
                        yield self._taken(some, mapping)
                    row += len(batch)
        except _FAILURES as error:
            raise SourceUntrusted(
                f"{self._label} cannot be read behind row {row}: who hands them over says {type(error).__name__}"
            ) from error
        except ConfigError as error:
            if row:  # its exit code promises that nothing was sent
                raise SourceUntrusted(str(error)) from None
            raise

    def _mapping(self, schema: pa.Schema) -> ColumnMapping:
        key = _key(schema)
        if key not in self._mappings:
            self._mappings[key] = map_schema(schema, _without_index(self._spec, schema), self._label)
        return self._mappings[key]

    def _taken(self, batch: pa.RecordBatch, mapping: ColumnMapping) -> pa.RecordBatch:
        names = [batch.schema.names[index] for index in mapping.read]
        # What stands once for many rows would count in whole for each few of them.
        taken = pa.RecordBatch.from_arrays([plain(batch.column(index)) for index in mapping.read], names)
        if (key := _key(taken.schema)) not in self.encoders:
            encoder = RowEncoder(
                self._label,
                mapping,
                text_form,
                shaped_json,
                no_id="id is null",
                record_bytes_max=self._record_bytes_max,
            )
            self.encoders[key] = encoder, mapping.read
        return taken


def check_columns(schema: pa.Schema, spec: SourceSpec, label: str = LABEL) -> None:
    """Hold a mapping against the columns of a table, which messages call `label`.

    Raises:
        ConfigError: it does not fit them.
    """
    map_schema(schema, _without_index(spec, schema), label)


def _without_index(spec: SourceSpec, schema: pa.Schema) -> SourceSpec:
    """Return a mapping that leaves out what pandas calls rows by, where nobody has given that a name.

    It comes along once a frame was filtered or sorted, and is no column of its owner's.
    """
    nameless = {name for name in schema.names if _NAMELESS_INDEX.fullmatch(name)}
    nameless -= {spec.id, *(spec.fields or ()), *spec.columns, *spec.rename, *spec.types}
    return dataclasses.replace(spec, exclude=spec.exclude | nameless) if nameless else spec


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a batch, so few at a time that they are no more than is encoded at once, on average."""
    row_bytes = batch.nbytes // max(len(batch), 1)
    count = max(1, min(BATCH_ROWS_MAX, BATCH_BYTES // max(row_bytes, 1)))
    for start in range(0, len(batch), count):
        yield batch.slice(start, count)


def _key(schema: pa.Schema) -> tuple[Any, ...]:
    return (*schema.names, *schema.types)


def _opened(table: Any) -> pa.RecordBatchReader:
    """Return what hands over columns as a reader of batches.

    Raises:
        ConfigError: it does not.
    """
    try:
        if hasattr(table, STREAM):
            return pa.RecordBatchReader.from_stream(table)
        if hasattr(table, ARRAY):
            batch = pa.record_batch(table)
            return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    except pa.ArrowInvalid:
        what = type(table).__name__
        raise ConfigError(f"{LABEL}: {what} is a single column; give a table, whose columns have names") from None
    if isinstance(table, tuple | list):
        raise ConfigError(f"{LABEL}: are pairs, but source.id names a column: leave it out, or give a table")
    what = type(table).__name__
    raise ConfigError(f"{LABEL}: must be tables or batches of rows where source.id is given, not {what}")
