"""A Parquet file that is open: what its footer says is held against what is in it, and its values are read exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as native

from engine.sources.columns.moments import SplitMoments
from engine.sources.stored.inputs import InputFile
from engine.values import SourceUntrusted

BATCH_ROWS_MAX = 10_000
"""How many rows are decoded and encoded at once, if they are small."""

BATCH_BYTES = 16 << 20
"""About how much is decoded and encoded at once, by the sizes that the file states."""

BATCH_DECODED_BYTES_MAX = 64 << 20
"""What is encoded at once, by the real sizes: its JSON stays far below the 2 GB that one Arrow array can hold."""

_BUFFER_BYTES = 1 << 18
"""How much of each column is read at once. Without it, all of a row group's column would be."""

_NANOSECONDS = pa.scalar(10**9, pa.int64())


class ParquetTable:
    """The rows of one file.

    Raises:
        SourceMissing: the file has gone.
        SourceUntrusted: it can't be read, is encrypted, or is no whole Parquet file.
    """

    def __init__(self, file: InputFile) -> None:
        self._file = file
        with ExitStack() as opened:
            self._table = self._opened(opened, "ns")
            # Moments of 96 bits are read twice: their seconds reach years that 64 bits of nanoseconds do not.
            self._whole_seconds = self._opened(opened, "s") if self._moments_of_96_bits() else None
            self._check_counts()
            self._opened_files = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened_files.close()

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        schema: pa.Schema = self._table.schema_arrow
        return schema

    @property
    def rows(self) -> int:
        """How many rows there are."""
        rows: int = self._table.metadata.num_rows
        return rows

    def batches(self, indices: Sequence[int]) -> Iterator[list[pa.Array]]:
        """Yield the columns at these positions, some rows at a time, of bounded size.

        Raises:
            SourceUntrusted: the file is damaged, or does not hold as many rows as it says; all rows before that were
                yielded.
        """
        names = [self.schema.names[index] for index in indices]
        row = 0
        try:
            for batch in self._read(names):
                for part in _bounded(batch):
                    yield [part.column(name) for name in names]
                    row += len(part)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(row, error) from None
        if row != self.rows:
            raise SourceUntrusted(
                f"{self._file.name} is damaged: it says that it has {self.rows:,} rows, but {row:,} can be read"
            )

    def _opened(self, opened: ExitStack, int96_unit: str) -> native.ParquetFile:
        stored = opened.enter_context(self._file.open_stored())
        try:
            table = native.ParquetFile(
                stored,
                pre_buffer=False,  # else everything that was read would be kept until the file is closed
                buffer_size=_BUFFER_BYTES,
                page_checksum_verification=True,
                coerce_int96_timestamp_unit=int96_unit,
            )
            table.schema_arrow.to_string()  # raises if a name is not UTF-8
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None
        return opened.enter_context(table)

    def _unreadable(self, error: Exception) -> SourceUntrusted:
        if "decrypt" in str(error).lower():
            return self._encrypted()
        return SourceUntrusted(
            f"{self._file.name} cannot be read as Parquet: it is damaged, incomplete or another format"
        )

    def _damaged(self, row: int, error: Exception) -> SourceUntrusted:
        if "decrypt" in str(error).lower():
            return self._encrypted()
        return SourceUntrusted(
            f"{self._file.name} is damaged behind row {row}: its data cannot be read (was it copied completely?)"
        )

    def _encrypted(self) -> SourceUntrusted:
        return SourceUntrusted(f"{self._file.name} is encrypted Parquet; decrypt it, or export it without encryption")

    def _moments_of_96_bits(self) -> list[str]:
        """Return the columns of moments as Spark, Impala and Hive may store them; not those inside others."""
        schema = self._table.schema
        columns = [schema.column(index) for index in range(len(schema))]
        return [column.name for column in columns if column.physical_type == "INT96" and column.path == column.name]

    def _check_counts(self) -> None:
        """Hold the counts in the footer against one another: a column that lacks values would hide rows.

        Raises:
            SourceUntrusted: they differ.
        """
        metadata = self._table.metadata
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        rows = sum(group.num_rows for group in groups)
        if rows != metadata.num_rows:
            raise SourceUntrusted(
                f"{self._file.name} is damaged: its footer says {metadata.num_rows:,} rows, its parts {rows:,}"
            )
        for group in groups:
            for index in range(group.num_columns):
                column = self._table.schema.column(index)
                values = group.column(index).num_values
                # Where a row may hold several values, it has one at least, an empty list included.
                if values < group.num_rows or (values > group.num_rows and not column.max_repetition_level):
                    raise SourceUntrusted(
                        f"{self._file.name} is damaged: column {column.path!r} has {values:,} values for "
                        f"{group.num_rows:,} rows"
                    )

    def _read(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = self._batch_rows()
        batches = self._table.iter_batches(rows, columns=names, use_threads=False)
        split = [name for name in self._moments_of_96_bits() if name in names]
        if self._whole_seconds is None or not split:
            yield from batches
            return
        whole_seconds = self._whole_seconds.iter_batches(rows, columns=split, use_threads=False)
        for batch, seconds in zip(batches, whole_seconds, strict=True):
            for name in split:
                moments = _split_moments(batch.column(name), seconds.column(name))
                index = batch.schema.get_field_index(name)
                batch = batch.set_column(index, pa.field(name, moments.type), moments)
            yield batch

    def _batch_rows(self) -> int:
        """Return how many rows to decode at once: fewer if they are large."""
        groups = [self._table.metadata.row_group(index) for index in range(self._table.num_row_groups)]
        row_bytes = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
        return max(1, min(BATCH_ROWS_MAX, BATCH_BYTES // max(row_bytes, 1)))


def _split_moments(nanoseconds: pa.Array, seconds: pa.Array) -> pa.Array:
    """Return moments from their seconds and from their nanoseconds, which may have left 64 bits.

    Arrow's arithmetic wraps around as the nanoseconds did, so that the difference is right.
    """
    whole = seconds.cast(pa.int64())
    rest = pc.subtract(nanoseconds.cast(pa.int64()), pc.multiply(whole, _NANOSECONDS))
    type_ = SplitMoments()
    storage = pa.StructArray.from_arrays([whole, rest], fields=list(type_.storage_type), mask=seconds.is_null())
    return pa.ExtensionArray.from_storage(type_, storage)


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Halve a batch until its parts are small: sizes in a file are of encoded values, which can be far smaller."""
    if batch.nbytes > BATCH_DECODED_BYTES_MAX and len(batch) > 1:
        half = len(batch) // 2
        yield from _bounded(batch.slice(0, half))
        yield from _bounded(batch.slice(half))
    else:
        yield batch
