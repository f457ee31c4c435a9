"""Columns of text that hold few values, again and again: they are read as the numbers of their values.

A file keeps them as such numbers, too. To write each value out, and to look at each, takes longer than all else that is
done with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyarrow import parquet as native

_ROWS_MIN = 1 << 15
"""In fewer rows it saves nothing worth a look ahead."""

_LOOKED_AT = 1_024
_VALUES_MAX = 64
"""A column with more values in so many first rows is read as it is."""

_VALUE_BYTES_MAX = 1.25
"""How many bytes a row takes, uncompressed, where numbers of 8 bits stand for values.

A value itself takes four at least, so not many of them can hide behind the rows that were looked at: Arrow would hold
all of a row group's at once.
"""


def few_texts(table: native.ParquetFile, names: Sequence[str]) -> list[str]:
    """Return which of the columns `names` are text of few values, as the first row group shows.

    Raises:
        pyarrow.ArrowException, OSError: it can't be read. The metadata of a column are looked at only once it was read:
            those of an encrypted one end the process.
    """
    if not table.num_row_groups or table.metadata.row_group(0).num_rows < _ROWS_MIN:
        return []
    types = {field.name: field.type for field in table.schema_arrow}
    texts = [name for name in names if "." not in name and types[name] == pa.string()]
    if not texts:
        return []
    first = next(table.iter_batches(_LOOKED_AT, row_groups=[0], columns=texts, use_threads=False))
    few = {name for name in texts if len(first.column(name).unique()) <= _VALUES_MAX}
    leaves = [(index, table.schema.column(index).path) for index in range(len(table.schema))]
    return [path for index, path in leaves if path in few and _takes_little(table.metadata.row_group(0), index)]


def _takes_little(group: native.RowGroupMetaData, index: int) -> bool:
    takes_little: bool = group.column(index).total_uncompressed_size <= _VALUE_BYTES_MAX * group.num_rows
    return takes_little
