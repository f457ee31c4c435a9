"""Columns of any type with random values, and a plain and slow encoder to hold others against."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

# Arrow knows the changes of a zone up to 2037; later times keep their instant, with an offset of then.
_naive_times = st.datetimes(datetime(1678, 1, 1), datetime(2261, 1, 1))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    (pa.float32(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    (pa.decimal128(20, 3), st.decimals(-(10**15), 10**15, places=3)),
    (pa.decimal128(38, 20), st.decimals(-(10**15), 10**15, places=20)),
    (pa.decimal256(50, 2), st.decimals(-(10**40), 10**40, places=2)),
    (pa.bool_(), st.booleans()),
    (pa.date32(), st.dates()),
    (pa.timestamp("s"), _naive_times.map(lambda moment: moment.replace(microsecond=0))),
    (pa.timestamp("us"), _naive_times),
    (pa.timestamp("us", "Asia/Kolkata"), _naive_times.map(lambda moment: moment.replace(tzinfo=UTC))),
    (
        pa.timestamp("ms", "America/New_York"),
        st.datetimes(datetime(1678, 1, 1), datetime(2037, 1, 1)).map(lambda m: m.replace(microsecond=5000, tzinfo=UTC)),
    ),
    (pa.time64("us"), st.times()),
    (pa.duration("us"), st.timedeltas(timedelta(days=-9999), timedelta(days=9999))),
    (pa.dictionary(pa.int32(), pa.string()), TEXTS),
]


def _nested(
    inner: st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]],
) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    def of_list(item: Any) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
        return pa.list_(item[0]), st.lists(st.none() | item[1], max_size=3)

    def of_struct(items: Any) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
        names = [f'f"{i}' for i in range(len(items))]
        values = {name: st.none() | item[1] for name, item in zip(names, items, strict=True)}
        return pa.struct([(name, item[0]) for name, item in zip(names, items, strict=True)]), st.fixed_dictionaries(
            values
        )

    def of_map(item: Any) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
        entries = st.dictionaries(TEXTS, st.none() | item[1], max_size=3).map(lambda found: list(found.items()))
        return pa.map_(pa.string(), item[0]), entries

    return inner.map(of_list) | st.lists(inner, min_size=1, max_size=3).map(of_struct) | inner.map(of_map)


COLUMNS = st.recursive(st.sampled_from(LEAVES), _nested, max_leaves=4)


def plainly(value: Any, type_: pa.DataType) -> str:
    """One Python value as JSON, without haste."""
    if value is None:
        return "null"
    if pa.types.is_map(type_):
        members = [f"{json.dumps(key)}:{plainly(item, type_.item_type)}" for key, item in value]
        return "{" + ",".join(members) + "}"
    if pa.types.is_list(type_):
        return "[" + ",".join(plainly(item, type_.value_type) for item in value) + "]"
    if pa.types.is_struct(type_):
        members = [f"{json.dumps(field.name)}:{plainly(value[field.name], field.type)}" for field in type_]
        return "{" + ",".join(members) + "}"
    if pa.types.is_duration(type_):
        seconds = abs(value) // timedelta(seconds=1)
        fraction = f"{(abs(value) % timedelta(seconds=1)) // timedelta(microseconds=1):06}".rstrip("0")
        return json.dumps(f"{'-' if value < timedelta(0) else ''}PT{seconds}{'.' if fraction else ''}{fraction}S")
    if isinstance(value, datetime | date | time):
        return json.dumps(value.isoformat())
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def comparable(text: str, type_: pa.DataType) -> Any:
    """JSON as values without differences of notation, which are not looked at here."""
    return without_notation(json.loads(text, parse_float=Decimal), type_)


def without_notation(value: Any, type_: pa.DataType) -> Any:
    """Decimals exact, floats as what they read back as, times without zeros at the end of their fraction."""
    if value is None:
        return None
    if pa.types.is_struct(type_):
        return {field.name: without_notation(value[field.name], field.type) for field in type_}
    if pa.types.is_map(type_):
        return {key: without_notation(item, type_.item_type) for key, item in value.items()}
    if pa.types.is_list(type_):
        return [without_notation(item, type_.value_type) for item in value]
    if pa.types.is_floating(type_):  # a whole number, too, is one that was rounded: 16777218 may stand for 16777218.0
        return pa.scalar(float(value), type_).as_py()
    if pa.types.is_timestamp(type_) or pa.types.is_time(type_):
        return without_zeros(value.replace("Z", "+00:00"))
    return value


def without_zeros(text: str) -> str:
    """A time whose fraction has no zeros at its end."""
    whole, point, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole}{point}{digits.rstrip('0')}{rest[len(digits) :]}"
