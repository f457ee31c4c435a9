"""A Parquet file that is open: what its footer says is held against what is in it, and its values are read exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import IOBase
from typing import Self

import pyarrow as pa
from pyarrow import parquet as native

from engine.sources.parquet.batches import RowsInStep, batch_rows, even
from engine.sources.parquet.few_texts import few_texts
from engine.sources.parquet.int96 import exact_moments
from engine.sources.stored.inputs import InputFile
from engine.values import SourceUntrusted

_BUFFER_BYTES = 1 << 18
"""How much of each column is read at once. Without it, all of a row group's column would be."""

_FAILURES = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What Arrow raises where it cannot read a file."""


class ParquetTable:
    """The rows of one file.

    Raises:
        SourceMissing: the file has gone.
        SourceUntrusted: it can't be read, is encrypted, or is no whole Parquet file.
    """

    def __init__(self, file: InputFile) -> None:
        self._file = file
        with ExitStack() as opened:
            self._stored = opened.enter_context(file.open_stored())
            self._table = self._opened(opened, self._stored, "ns")
            self._check_rows()
            # Moments of 96 bits are read twice: their seconds reach years that 64 bits of nanoseconds do not.
            self._int96 = _int96_columns(self._table)
            self._in_seconds = None
            if self._int96:
                self._in_seconds = self._opened(opened, opened.enter_context(file.open_stored()), "s")
            self._batch_rows = batch_rows(self._table)
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

    def batches(self, indices: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Yield the columns at these positions, some rows at a time, of bounded size.

        Columns of text that hold few values may come as dictionaries of them, in all batches or in some.

        Raises:
            SourceUntrusted: the file is damaged, or does not hold as many rows as it says; all rows before that were
                yielded.
        """
        names = [self.schema.names[index] for index in indices]
        return even(self._read(names), self._batch_rows)

    def _opened(self, opened: ExitStack, stored: IOBase, int96_unit: str) -> native.ParquetFile:
        try:
            table = _table_of(stored, int96_unit)
            table.schema_arrow.to_string()  # raises if a name is not UTF-8
        except _FAILURES as error:
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
        if isinstance(error, pa.ArrowNotImplementedError) or "supported" in str(error):
            return SourceUntrusted(
                f"{self._file.name} cannot be read behind row {row}: it is damaged, or its encoding or compression is "
                "not known here; export it again, for example with Zstandard"
            )
        return SourceUntrusted(
            f"{self._file.name} is damaged behind row {row}: its data cannot be read (was it copied completely?)"
        )

    def _encrypted(self) -> SourceUntrusted:
        return SourceUntrusted(f"{self._file.name} is encrypted Parquet; decrypt it, or export it without encryption")

    def _check_rows(self) -> None:
        """Hold the count of rows against that of the row groups.

        What the footer says of their columns is left alone: Arrow ends the process if one of them is encrypted.

        Raises:
            SourceUntrusted: they differ.
        """
        metadata = self._table.metadata
        rows = sum(metadata.row_group(index).num_rows for index in range(metadata.num_row_groups))
        if rows != metadata.num_rows:
            raise SourceUntrusted(
                f"{self._file.name} is damaged: its footer says {metadata.num_rows:,} rows, its parts {rows:,}"
            )

    def _read(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one row group after the other.

        Arrow reads across row groups, too, but would then fill what a column lacks in one of them from the next.
        """
        row, table = 0, self._with_few_texts(names)
        for group in range(table.num_row_groups):
            first, stated = row, table.metadata.row_group(group).num_rows
            try:
                for batch in self._read_group(table, group, names):
                    row += len(batch)
                    if row > first + stated:
                        break
                    yield batch
            except _FAILURES as error:
                raise self._damaged(row, error) from None
            if row != first + stated:
                raise SourceUntrusted(
                    f"{self._file.name} is damaged behind row {first}: its footer says that a part of {stated:,} rows "
                    f"follows, but {row - first:,} can be read"
                )

    def _with_few_texts(self, names: Sequence[str]) -> native.ParquetFile:
        """Return the table opened so that what `few_texts` finds among some columns comes as dictionaries."""
        try:
            few = few_texts(self._table, names)
            return _table_of(self._stored, "ns", few, self._table.metadata) if few else self._table
        except _FAILURES:
            return self._table  # to read it will say what is wrong, and where

    def _read_group(self, table: native.ParquetFile, group: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        batches = self._batches_of(table, group, names)
        moments = [name for name in self._int96 if name in names]
        if self._in_seconds is None or not moments:
            yield from batches
            return
        in_seconds = RowsInStep(self._batches_of(self._in_seconds, group, moments))
        for batch in batches:
            seconds = in_seconds.take(len(batch))
            for name in moments:
                exact = exact_moments(batch.column(name), seconds.column(name))
                batch = batch.set_column(batch.schema.get_field_index(name), name, exact)
            yield batch

    def _batches_of(self, table: native.ParquetFile, group: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        batches: Iterator[pa.RecordBatch] = table.iter_batches(
            self._batch_rows, row_groups=[group], columns=list(names), use_threads=False
        )
        return batches


def _table_of(
    stored: IOBase,
    int96_unit: str,
    dictionaries: Sequence[str] = (),
    metadata: native.FileMetaData | None = None,
) -> native.ParquetFile:
    """Return a file as a table in which these columns of text come as dictionaries; its metadata may be known.

    Raises:
        pyarrow.ArrowException, OSError, UnicodeDecodeError: it can't be read.
    """
    return native.ParquetFile(
        stored,
        metadata=metadata,
        read_dictionary=list(dictionaries),
        pre_buffer=False,  # else everything that was read would be kept until the file is closed
        buffer_size=_BUFFER_BYTES,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit=int96_unit,
    )


def _int96_columns(table: native.ParquetFile) -> list[str]:
    """Return the columns of moments as Spark, Impala and Hive may store them, also those inside other values."""
    leaves = [table.schema.column(index) for index in range(len(table.schema))]
    paths = [f"{leaf.path}." for leaf in leaves if leaf.physical_type == "INT96"]
    # Where names have dots, a column may be taken for one of these; then it just is the same both ways.
    return [name for name in table.schema_arrow.names if any(path.startswith(f"{name}.") for path in paths)]
