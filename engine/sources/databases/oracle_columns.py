"""How each type of Oracle is asked for, so that no digit and no hour of it is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from engine.sources.databases.text_columns import ColumnKind
from engine.sources.databases.typed_columns import TypedColumn, as_text
from engine.values import ConfigError

_DAYS = "SYYYY-MM-DD HH24:MI:SS"  # the S is for a sign: days before our era become no days of it
_FINE_FROM = 7
_WHOLE_DIGITS_MAX = 18
_DIGITS_MAX = 38
_NOT_NEEDED = "CAST(NULL AS VARCHAR2(1))"

_ARROW: Mapping[str, pa.DataType] = {
    "DB_TYPE_BINARY_FLOAT": pa.float32(),
    "DB_TYPE_BINARY_DOUBLE": pa.float64(),
    "DB_TYPE_BOOLEAN": pa.bool_(),
}
"""Types that the driver gives as they are kept."""

_TEXT = {
    *("DB_TYPE_CHAR", "DB_TYPE_VARCHAR", "DB_TYPE_NCHAR", "DB_TYPE_NVARCHAR"),
    *("DB_TYPE_CLOB", "DB_TYPE_NCLOB", "DB_TYPE_LONG", "DB_TYPE_LONG_NVARCHAR"),
}
_BYTES = {"DB_TYPE_RAW", "DB_TYPE_LONG_RAW", "DB_TYPE_BLOB", "DB_TYPE_BFILE"}
_LONG = {"DB_TYPE_CLOB", "DB_TYPE_NCLOB", "DB_TYPE_LONG", "DB_TYPE_LONG_NVARCHAR", "DB_TYPE_JSON", "DB_TYPE_XMLTYPE"}

_WRITTEN: Mapping[str, tuple[str, ColumnKind]] = {
    "DB_TYPE_DATE": (f"TO_CHAR({{}}, '{_DAYS}')", "moment"),
    "DB_TYPE_INTERVAL_DS": ("TO_CHAR({})", "text"),
    "DB_TYPE_INTERVAL_YM": ("TO_CHAR({})", "text"),
    "DB_TYPE_ROWID": ("ROWIDTOCHAR({})", "text"),
    "DB_TYPE_UROWID": ("CAST({} AS VARCHAR2(4000))", "text"),
    "DB_TYPE_JSON": ("JSON_SERIALIZE({} RETURNING CLOB)", "json"),
    "DB_TYPE_VECTOR": ("VECTOR_SERIALIZE({} RETURNING CLOB)", "json"),
    "DB_TYPE_XMLTYPE": ("XMLSERIALIZE(CONTENT {} AS CLOB)", "text"),
}
"""Types that the server writes as text: by what, and what the text is."""

_MOMENTS: Mapping[str, tuple[str, ColumnKind, ColumnKind]] = {
    "DB_TYPE_TIMESTAMP": ("{}", "moment", "fine_moment"),
    "DB_TYPE_TIMESTAMP_TZ": ("SYS_EXTRACT_UTC({})", "utc_moment", "fine_utc_moment"),
    "DB_TYPE_TIMESTAMP_LTZ": ("{}", "utc_moment", "fine_utc_moment"),  # in the session's zone, which is UTC
}


class AskedColumn(NamedTuple):
    """A column: what is selected for it, what becomes of that, and whether its values may be of any length."""

    sql: str
    kept: TypedColumn
    is_document: bool = False


def asked_as(info: Any, is_needed: bool, label: str) -> AskedColumn:
    """Return how a column is asked for; `info` is the driver's description of it.

    Raises:
        ConfigError: its values are needed and have no form.
    """
    quoted = '"' + info.name.replace('"', '""') + '"'
    expression, kept = _form(info, f"asked.{quoted}", is_needed, label)
    return AskedColumn(f"{expression} AS {quoted}", kept, is_needed and info.type_code.name in _LONG)


def _form(info: Any, column: str, is_needed: bool, label: str) -> tuple[str, TypedColumn]:
    name, type_ = info.name, info.type_code.name
    if type_ == "DB_TYPE_NUMBER":
        kept = _number(name, info.precision or 0, info.scale or 0)
        text = f"TO_CHAR({column}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"
        return _if(is_needed, column if kept.kind is None else text), kept
    if type_ in _TEXT:
        return _if(is_needed, column), as_text(name, "json" if info.is_json else "text")
    if type_ in _ARROW:
        return _if(is_needed, column), TypedColumn(name, _ARROW[type_])
    if type_ in _MOMENTS:
        in_utc, plain, fine = _MOMENTS[type_]
        is_fine = (info.scale or 0) >= _FINE_FROM
        written = f"TO_CHAR({in_utc.format(column)}, '{_DAYS}.FF{9 if is_fine else 6}')"
        return _if(is_needed, written), as_text(name, fine if is_fine else plain)
    if type_ in _WRITTEN:
        template, kind = _WRITTEN[type_]
        return _if(is_needed, template.format(column)), as_text(name, kind)
    if info.is_json and type_ in _BYTES:
        return _if(is_needed, f"JSON_SERIALIZE({column} RETURNING CLOB)"), as_text(name, "json")
    if is_needed and type_ not in _BYTES:
        raise ConfigError(
            f"{label}: column {name!r} is of a type without a JSON form ({type_.removeprefix('DB_TYPE_')}); leave it "
            "out (source.exclude), or ask for text in the query"
        )
    return _NOT_NEEDED, TypedColumn(name, pa.binary())  # where bytes are needed, the mapping says so before a row


def _number(name: str, precision: int, scale: int) -> TypedColumn:
    """Return what a NUMBER is kept as: numbers of any length and scale as the text that the server writes."""
    if not 0 < precision <= _DIGITS_MAX or not 0 <= scale <= precision:
        return as_text(name, "number")
    if scale == 0 and precision <= _WHOLE_DIGITS_MAX:
        return TypedColumn(name, pa.int64())
    return TypedColumn(name, pa.decimal128(precision, scale))


def _if(is_needed: bool, expression: str) -> str:
    return expression if is_needed else _NOT_NEEDED
