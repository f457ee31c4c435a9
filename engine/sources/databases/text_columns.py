"""Columns of text as databases write it → columns of Arrow's types, so that they are spelled like those of Parquet.

What a type of Arrow cannot hold (`infinity`, years behind 9999, a time of 24:00:00) becomes a value far out of reach:
where it is sent, it is as invalid as such a value of a Parquet file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.written import WrittenJson

ColumnKind = Literal[
    "text", "integer", "unsigned", "number", "whole", "money", "float32", "float64", "boolean", "date", "moment",
    "utc_moment", "moment_in_utc", "time", "bytes", "json", "fine_moment", "fine_utc_moment", "fine_zoned_moment",
    "fine_time", "upper_text",
]  # fmt: skip
"""`integer` and `unsigned` have 64 bits, `whole` are integers of any length, `number` has any length and scale.

What is `fine` has more digits of a second than Arrow's microseconds, and stays text, spelled as it is sent.
"""

_DAY_US = 86_400_000_000
_FAR_US = 1 << 62
_FAR_DAYS = (1 << 31) - 1
_MOMENT = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?(?:\+00(?::?00)?)?( BC)?")
_MIDNIGHT_AFTER = "24:00:00"


class Column(NamedTuple):
    """A column of a result."""

    name: str
    kind: ColumnKind


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return the columns as Arrow has them."""
    return pa.schema([(column.name, _TYPES[column.kind]) for column in columns])


def batch_of(columns: Sequence[Column], texts: Sequence[pa.Array]) -> pa.RecordBatch:
    """Return rows of which each column is given as text; nulls stay nulls.

    Raises:
        ValueError: a value is not what its type says: the protocol was misread, which is a bug.
    """
    arrays = [of_text(column.kind, text) for column, text in zip(columns, texts, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(columns))


def arrow_type(kind: ColumnKind) -> pa.DataType:
    """Return the type that values of a kind are kept as."""
    return _TYPES[kind]


def of_text(kind: ColumnKind, text: pa.Array) -> pa.Array:
    """Return a column of text as what it means; see `batch_of`."""
    return _converter_of(kind)(text)


def _converter_of(kind: ColumnKind) -> Callable[[pa.StringArray], pa.Array]:
    if kind in _CONVERTERS:
        return _CONVERTERS[kind]
    type_ = _TYPES[kind]

    def converted(text: pa.StringArray) -> pa.Array:
        if isinstance(type_, WrittenJson):
            return pa.ExtensionArray.from_storage(type_, text)
        return text if type_ == text.type else text.cast(type_)

    return converted


def _booleans(text: pa.StringArray) -> pa.BooleanArray:
    return pc.if_else(text.is_valid(), pc.is_in(text, pa.array(["t", "1", "true"])), pa.scalar(None, pa.bool_()))


def _bytes(text: pa.Array) -> pa.BinaryArray:
    """Take bytes as they are, or from the text of PostgreSQL: a mark, then two hexadecimal digits each."""
    if pa.types.is_binary(text.type):
        return text
    return pa.array([None if value is None else bytes.fromhex(value[2:]) for value in text.to_pylist()], pa.binary())


def _money(text: pa.StringArray) -> pa.Array:
    """Take the signs away that the money of the locale C has: `-$1,234.50`."""
    return pa.ExtensionArray.from_storage(_TYPES["money"], pc.replace_substring_regex(text, "[$,]", ""))


def _dates(text: pa.StringArray) -> pa.Date32Array:
    try:
        return text.cast(pa.date32())
    except pa.ArrowInvalid:
        days = [None if value is None else _days_of(value) for value in text.to_pylist()]
        return pa.array(days, pa.int32()).cast(pa.date32())


def _moments(zone: str | None) -> Callable[[pa.StringArray], pa.TimestampArray]:
    type_ = pa.timestamp("us", zone)

    def converted(text: pa.StringArray) -> pa.TimestampArray:
        try:
            return text.cast(type_)
        except pa.ArrowInvalid:
            moments = [None if value is None else _microseconds_of(value) for value in text.to_pylist()]
            return pa.array(moments, pa.int64()).cast(type_)

    return converted


def _in_utc(text: pa.StringArray) -> pa.TimestampArray:
    """Read moments without a zone, which are in UTC."""
    return _moments(None)(text).cast(pa.int64()).cast(pa.timestamp("us", "UTC"))


def _times(text: pa.StringArray) -> pa.Time64Array:
    is_day = pc.starts_with(text, _MIDNIGHT_AFTER)
    has_such = pc.any(is_day, min_count=0).as_py()
    clock = pc.if_else(is_day, pa.scalar("00:00:00"), text) if has_such else text
    moments = pc.binary_join_element_wise(pa.scalar("1970-01-01"), clock, pa.scalar(" "))
    count = moments.cast(pa.timestamp("us")).cast(pa.int64())
    if has_such:
        count = pc.if_else(is_day, pa.scalar(_DAY_US, pa.int64()), count)
    return count.cast(pa.time64("us"), safe=False)


def _fine_moments(zone: str) -> Callable[[pa.StringArray], pa.StringArray]:
    def converted(text: pa.StringArray) -> pa.StringArray:
        spelled = _fine_times(pc.replace_substring(text, " ", "T", max_replacements=1))
        return pc.binary_join_element_wise(spelled, pa.scalar(zone), pa.scalar(""))

    return converted


def _fine_times(text: pa.StringArray) -> pa.StringArray:
    """Spell fractions as microseconds are, and with all their digits where those behind the sixth are not zero."""
    return pc.replace_substring_regex(pc.replace_substring_regex(text, r"\.0+$", ""), r"(\.\d{6})0+$", r"\1")


def _fine_zoned_moments(text: pa.StringArray) -> pa.StringArray:
    """Bring moments such as `2026-11-05 10:00:00.1234567 +05:30` into UTC."""
    local = pc.utf8_slice_codeunits(text, 0, 26).cast(pa.timestamp("us")).cast(pa.int64())
    hours, minutes = (pc.utf8_slice_codeunits(text, at, at + 2).cast(pa.int64()) for at in (29, 32))
    size_us = pc.multiply(pc.add(pc.multiply(hours, 60), minutes), 60_000_000)
    is_west = pc.equal(pc.utf8_slice_codeunits(text, 28, 29), "-")
    moments = pc.subtract(local, pc.if_else(is_west, pc.negate(size_us), size_us)).cast(pa.timestamp("us"))
    last_digit = pc.utf8_slice_codeunits(text, 26, 27)
    in_utc = pc.binary_join_element_wise(moments.cast(pa.string()), last_digit, pa.scalar(""))
    return _fine_moments("Z")(in_utc)


def _days_of(text: str) -> int:
    """Return the day as days from 1970; one far out of reach for what is no day in the years 0 to 9999."""
    found = _MOMENT.fullmatch(text)
    if not found:
        return _FAR_DAYS
    year = 1 - int(found[1]) if found[8] else int(found[1])
    if not 0 <= year <= 9999:
        return _FAR_DAYS
    # Years repeat every 400, so the year 0, which Python does not know, is found by the year 400.
    try:
        shifted = date(year or 400, int(found[2]), int(found[3])).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:  # 0000-00-00
        return _FAR_DAYS
    return shifted if year else shifted - _DAYS_OF_400_YEARS


_DAYS_OF_400_YEARS = 146_097


def _microseconds_of(text: str) -> int:
    days = _days_of(text)
    found = _MOMENT.fullmatch(text)
    if found is None or days == _FAR_DAYS:
        return -_FAR_US if text.startswith("-") else _FAR_US
    hours, minutes, seconds = (int(found[group] or 0) for group in (4, 5, 6))
    fraction = int((found[7] or "").ljust(6, "0"))
    return days * _DAY_US + ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction


_TYPES: Mapping[ColumnKind, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "unsigned": pa.uint64(),
    "number": WrittenJson("number"),
    "whole": WrittenJson("integer"),
    "money": WrittenJson("number"),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "moment": pa.timestamp("us"),
    "utc_moment": pa.timestamp("us", "UTC"),
    "moment_in_utc": pa.timestamp("us", "UTC"),
    "time": pa.time64("us"),
    "bytes": pa.binary(),
    "json": WrittenJson("json"),
    "fine_moment": pa.string(),
    "fine_utc_moment": pa.string(),
    "fine_zoned_moment": pa.string(),
    "fine_time": pa.string(),
    "upper_text": pa.string(),
}

_CONVERTERS: Mapping[ColumnKind, Callable[[pa.StringArray], pa.Array]] = {
    "money": _money,
    "boolean": _booleans,
    "date": _dates,
    "moment": _moments(None),
    "utc_moment": _moments("UTC"),
    "moment_in_utc": _in_utc,
    "time": _times,
    "bytes": _bytes,
    "fine_moment": _fine_moments(""),
    "fine_utc_moment": _fine_moments("Z"),
    "fine_zoned_moment": _fine_zoned_moments,
    "fine_time": _fine_times,
    "upper_text": pc.utf8_upper,
}
