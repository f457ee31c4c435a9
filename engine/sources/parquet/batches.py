"""How rows come out of a Parquet file: row group by row group, in batches that are neither large nor tiny."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as native

from engine.values import SourceUntrusted

BATCH_ROWS_MAX = 32_768
"""How many rows are decoded and encoded at once, if they are small."""

BATCH_BYTES = 8 << 20
"""About how much is decoded and encoded at once, by the sizes that the file states."""

_VALUE_BYTES_MIN = 8
"""What a value takes at least once it is decoded, however little the file says: it may hold it once for many rows."""

BATCH_DECODED_BYTES_MAX = 64 << 20
"""What is encoded at once, by the real sizes: its JSON stays far below the 2 GB that one Arrow array can hold."""


def batch_rows(table: native.ParquetFile) -> int:
    """Return how many rows to decode at once: fewer if they are large."""
    groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
    row_bytes = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    row_bytes = max(row_bytes, _VALUE_BYTES_MIN * len(table.schema), 1)
    return max(1, min(BATCH_ROWS_MAX, BATCH_BYTES // row_bytes))


def even(batches: Iterator[pa.RecordBatch], rows_max: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in fewer batches, or in more where they are large.

    Raises:
        SourceUntrusted: `batches` did; all rows before that were yielded.
    """
    for batch in _gathered(batches, rows_max):
        yield from _bounded(batch)


def _gathered(batches: Iterator[pa.RecordBatch], rows_max: int) -> Iterator[pa.RecordBatch]:
    """Put together what small row groups hold, up to `rows_max` rows: encoding costs something for each batch."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    damage: SourceUntrusted | None = None
    try:
        for batch in batches:
            rows, size = rows + len(batch), size + batch.nbytes
            is_full = rows > rows_max or size > BATCH_DECODED_BYTES_MAX
            if waiting and (is_full or batch.schema != waiting[0].schema):  # another one with moments that are far away
                yield _together(waiting)
                waiting, rows, size = [], len(batch), batch.nbytes
            waiting.append(batch)
    except SourceUntrusted as error:
        damage = error
    if waiting:
        yield _together(waiting)
    if damage:
        raise damage


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Halve a batch until its parts are small: sizes in a file are of encoded values, which can be far smaller."""
    if len(batch) > 1 and sum(map(_decoded_bytes, batch.columns)) > BATCH_DECODED_BYTES_MAX:
        half = len(batch) // 2
        yield from _bounded(batch.slice(0, half))
        yield from _bounded(batch.slice(half))
    else:
        yield batch


def _decoded_bytes(array: pa.Array) -> int:
    """Return the size of a column in which each value stands for itself; at the most, where a dictionary holds them."""
    size: int = array.nbytes
    if pa.types.is_dictionary(array.type):
        size += len(array) * (pc.max(pc.binary_length(array.dictionary)).as_py() or 0)
    return size


class RowsInStep:
    """Rows that are read again in another form, to be taken as many at a time as in the first."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._waiting: list[pa.RecordBatch] = []

    def take(self, count: int) -> pa.RecordBatch:
        """Return the next `count` rows, at least one.

        Raises:
            OSError: there are not so many.
        """
        while sum(map(len, self._waiting)) < count:
            batch = next(self._batches, None)
            if batch is None:
                raise OSError("rows are missing")
            self._waiting.append(batch)
        rows = _together(self._waiting)
        self._waiting = [rows.slice(count)] if len(rows) > count else []
        return rows.slice(0, count)
