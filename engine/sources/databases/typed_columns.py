"""Columns that a driver gives as Arrow's, some of them as text that the server wrote → columns as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.databases.text_columns import ColumnKind, arrow_type, of_text


class TypedColumn(NamedTuple):
    """A column of a result: its values are text, read as `kind` tells, or have nearly the `type` that is kept."""

    name: str
    type: pa.DataType
    kind: ColumnKind | None = None


def as_text(name: str, kind: ColumnKind) -> TypedColumn:
    """Return a column whose values come as text of a kind."""
    return TypedColumn(name, arrow_type(kind), kind)


def schema_of_typed(columns: Sequence[TypedColumn]) -> pa.Schema:
    """Return the columns as they are kept."""
    return pa.schema([(column.name, column.type) for column in columns])


def typed_batch(columns: Sequence[TypedColumn], arrays: Sequence[pa.Array]) -> pa.RecordBatch:
    """Return rows as they are kept.

    Raises:
        ValueError: a value is not what its type says: the driver was misread, which is a bug.
    """
    kept = [_kept(column, array) for column, array in zip(columns, arrays, strict=True)]
    return pa.RecordBatch.from_arrays(kept, schema=schema_of_typed(columns))


def _kept(column: TypedColumn, array: pa.Array) -> pa.Array:
    if column.kind is None:
        return array if array.type == column.type else array.cast(column.type)
    text = array.cast(pa.string())
    return of_text(column.kind, text if column.kind in ("text", "json") else pc.utf8_trim_whitespace(text))
