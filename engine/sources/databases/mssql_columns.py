"""How each type of SQL Server is asked for, so that no digit of it is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.text_columns import ColumnKind
from engine.sources.databases.typed_columns import TypedColumn, as_text
from engine.values import ConfigError

_FINE_FROM = 7
"""So many digits of a second are more than the driver gives."""

_ARROW: Mapping[str, pa.DataType] = {
    "bigint": pa.int64(),
    "int": pa.int64(),
    "smallint": pa.int64(),
    "tinyint": pa.int64(),
    "bit": pa.bool_(),
    "real": pa.float32(),
    "float": pa.float64(),
    "money": pa.decimal128(19, 4),
    "smallmoney": pa.decimal128(10, 4),
    "date": pa.date32(),
    "smalldatetime": pa.timestamp("us"),
    "datetime": pa.timestamp("us"),
    "datetime2": pa.timestamp("us"),
    "datetimeoffset": pa.timestamp("us", "UTC"),
    "time": pa.time64("us"),
}
"""Types that the driver gives nearly as they are kept."""

_FINE: Mapping[str, tuple[ColumnKind, int]] = {
    "datetime2": ("fine_moment", 27),
    "datetimeoffset": ("fine_zoned_moment", 34),
    "time": ("fine_time", 16),
}
"""What the server writes as text where it has a seventh digit, and how long that text is."""

_BYTES = {"binary", "varbinary", "image", "timestamp", "rowversion", "hierarchyid", "geography", "geometry", ""}
_JSON = {"json", "vector"}
_OF_MANY_TYPES = "sql_variant"


class Described(NamedTuple):
    """What the server says of a column: its name, its type as it is written in SQL, and its digits of a second."""

    name: str
    type: str
    scale: int


class AskedColumn(NamedTuple):
    """A column: its quoted name, its type, as what it is selected and declared to be, and what becomes of it."""

    quoted: str
    type: str
    selected: str
    kept: TypedColumn
    declared: str | None = None


def asked_as(column: Described, is_needed: bool, asked: DatabaseQuery) -> AskedColumn:
    """Return how a column is asked for.

    Raises:
        ConfigError: it has no name, or the driver cannot read its type at all.
    """
    if not column.name:
        raise ConfigError("source.query: a column has no name; give it one with AS")
    quoted = f"[{column.name.replace(']', ']]')}]"
    kind = column.type.partition("(")[0].lower()
    if asked.table is not None and not is_needed:
        return AskedColumn(quoted, column.type, f"CAST(NULL AS bit) AS {quoted}", TypedColumn(column.name, pa.bool_()))
    if kind == _OF_MANY_TYPES:
        raise ConfigError(
            f"{asked.label}: column {column.name!r} is a sql_variant, which has no JSON form; leave it out, or ask for "
            "CAST(… AS nvarchar(4000)) in the query"
        )
    if kind in _FINE and column.scale >= _FINE_FROM:
        fine, length = _FINE[kind]
        declared = f"varchar({length})"
        selected = f"CONVERT({declared}, {quoted}, 121) AS {quoted}"
        return AskedColumn(quoted, column.type, selected, as_text(column.name, fine), declared)
    type_ = column.type or "varbinary(max)"  # a type of the user's, of the server's own runtime
    return AskedColumn(quoted, type_, quoted, _kept(column, kind))


def _kept(column: Described, kind: str) -> TypedColumn:
    if kind in ("decimal", "numeric"):
        precision, _, scale = column.type.partition("(")[2].rstrip(") ").partition(",")
        return TypedColumn(column.name, pa.decimal128(int(precision), int(scale or 0)))
    if kind in _ARROW:
        return TypedColumn(column.name, _ARROW[kind])
    if kind in _BYTES:
        return TypedColumn(column.name, pa.binary())
    return as_text(column.name, "json" if kind in _JSON else "upper_text" if kind == "uniqueidentifier" else "text")
