"""Columns of a table → columns of JSON text, exact, whole columns at a time.

No value passes through a float on its way. Text is escaped, numbers are written out in full, decimals keep their scale,
dates and times become ISO 8601 (`moments.py`). Nulls stay nulls: what becomes of them is the business of who puts the
columns together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.acceleration import number_texts
from engine.sources.columns.column_text import NULL, JsonText, any_of, complete, join, spread, valid_text, where_not
from engine.sources.columns.escaping import escape
from engine.sources.columns.moments import SplitMoments, date_json, duration_json, moment_json, time_json
from engine.sources.columns.plain import as_list, items_of, plain, plain_type
from engine.sources.columns.repeated import each_once, few_texts_json, is_of_few_texts
from engine.sources.columns.written import WrittenJson, written_json

_SCALE_MAX = 6
"""With more decimals, Arrow writes small numbers with an exponent."""

_COMMA = pa.scalar(",", pa.string())
_ZERO = pa.scalar(0, pa.int32())
_HOLDS = "holds a value that "
_NOT_FINITE = "is not a finite number"
_REPEATS = "holds a key twice"


def unsupported(type_: pa.DataType) -> str | None:
    """Return what in `type_` has no JSON form, or None if all of it has one."""
    if isinstance(type_, pa.FixedShapeTensorType) and len(type_.shape) > 1:
        return str(type_)  # all its numbers are in one list
    type_ = plain_type(type_)
    if _is_list(type_):
        return unsupported(type_.value_type)
    if pa.types.is_struct(type_):
        names = [field.name for field in type_]
        twice = next((f"an object with two fields {name!r}" for name in names if names.count(name) > 1), None)
        return twice or next((found for field in type_ if (found := unsupported(field.type))), None)
    if pa.types.is_map(type_):
        return (None if is_id_type(type_.key_type) else str(type_)) or unsupported(type_.item_type)
    return None if any(is_it(type_) for is_it in _SCALARS) else str(type_)


def is_id_type(type_: pa.DataType) -> bool:
    """Return whether values of `type_` can be ids: text, or integers, which become their decimal text."""
    type_ = plain_type(type_)
    if isinstance(type_, WrittenJson):
        return type_.kind != "json"
    if pa.types.is_decimal(type_):
        whole: bool = type_.scale <= 0
        return whole
    return bool(pa.types.is_integer(type_)) or is_text(type_)


def is_text(type_: pa.DataType) -> bool:
    """Return whether values of `type_` are text."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def to_json(array: pa.Array) -> JsonText:
    """Return any column of a supported type as JSON text."""
    if is_of_few_texts(array) and (few := few_texts_json(array)):
        return few
    array = plain(array)
    for is_it, convert in (*_NESTED.items(), *_SCALARS.items()):
        if is_it(array.type):
            return convert(array)
    raise TypeError(f"no JSON form of {array.type}")


def _is_list(type_: pa.DataType) -> bool:
    lists = (pa.ListType, pa.LargeListType, pa.FixedSizeListType, pa.ListViewType, pa.LargeListViewType)
    return isinstance(type_, lists)


def _is_split(type_: pa.DataType) -> bool:
    return isinstance(type_, SplitMoments)


def _is_written(type_: pa.DataType) -> bool:
    return isinstance(type_, WrittenJson)


def _text(array: pa.Array) -> JsonText:
    found = valid_text(array)
    return found._replace(text=escape(found.text), quoted=True)


def _as_written(array: pa.Array) -> JsonText:
    return JsonText(array.cast(pa.string()), quoted=False)


def _integer(array: pa.Array) -> JsonText:
    text = number_texts(array) if array.type == pa.int64() else None
    return _as_written(array) if text is None else JsonText(text, quoted=False)


def _decimal(array: pa.Array) -> JsonText:
    """All digits up to the scale, without an exponent."""
    text = array.cast(pa.string())
    if not 0 <= array.type.scale <= _SCALE_MAX:
        values = text.dictionary_encode()
        written = [f"{Decimal(value):f}" for value in values.dictionary.to_pylist()]
        text = pa.array(written, pa.string()).take(values.indices)
    return JsonText(text, quoted=False)


def _float(array: pa.Array) -> JsonText:
    """The shortest decimal text that reads back as the same float of the same width (of 16 bits: of 32)."""
    text = number_texts(array) if pa.types.is_float64(array.type) else None
    if text is None:
        return _float_by_arrow(array)
    return JsonText(text, quoted=False, misfits=where_not(pc.is_finite(array)), complaint=_NOT_FINITE)


def _each_float(array: pa.Array) -> JsonText:
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    misfits = where_not(pc.is_finite(array))
    return JsonText(array.cast(pa.string()), quoted=False, misfits=misfits, complaint=_NOT_FINITE)


_float_by_arrow = each_once(_each_float)


def _null(array: pa.Array) -> JsonText:
    return JsonText(pa.nulls(len(array), pa.string()), quoted=False)


def _struct(array: pa.StructArray) -> JsonText:
    """An object with all its keys: a null inside a value is part of the value."""
    fields = [to_json(child) for child in array.flatten()]
    parts: list[pa.StringArray | str] = []
    for field, value in zip(array.type, fields, strict=True):
        parts += [f"{',' if parts else ''}{json.dumps(field.name, ensure_ascii=False)}:"]
        parts += [complete(value).fill_null(NULL)]
    text = join("{", *parts, "}") if parts else pa.array(["{}"] * len(array), pa.string())
    return _nested(array, text, fields)


def _list(array: pa.Array) -> JsonText:
    items = to_json(items_of(array))
    lists = _as_lists(complete(items).fill_null(NULL), pc.list_value_length(array))
    text = join("[", pc.binary_join(lists, _COMMA), "]")
    return _nested(array, text, [_of_rows(items, lists)])


def _map(array: pa.MapArray) -> JsonText:
    """An object; integer keys become their decimal text. A key that comes twice would hide one of its values."""
    entries = as_list(array)
    keys, items = (to_json(child) for child in items_of(entries).flatten())
    key_texts = spread(keys.text)
    members = join('"', key_texts, '":', complete(items).fill_null(NULL))
    lists = _as_lists(members.fill_null(NULL), pc.list_value_length(entries))
    text = join("{", pc.binary_join(lists, _COMMA), "}")
    return _nested(array, text, [_of_rows(keys, lists), _of_rows(items, lists)], _repeating(key_texts, lists))


def _as_lists(items: pa.StringArray, lengths: pa.Array) -> pa.ListArray:
    """Return the items of all rows, one behind the other, as lists of these lengths; null counts as none."""
    ends = pc.cumulative_sum(lengths.cast(pa.int32()).fill_null(_ZERO))
    return pa.ListArray.from_arrays(pa.concat_arrays([pa.array([0], pa.int32()), ends]), items)


def _of_rows(items: JsonText, lists: pa.ListArray) -> JsonText:
    """Return items whose marks are those of the lists that hold them."""
    if items.misfits is None:
        return items
    return items._replace(misfits=_marked(lists, pc.list_parent_indices(lists).filter(items.misfits)))


def _repeating(keys: pa.StringArray, lists: pa.ListArray) -> pa.BooleanArray | None:
    """Return which lists have a key twice."""
    if len(keys) < 2 or pc.max(pc.list_value_length(lists)).as_py() < 2:
        return None
    codes = keys.dictionary_encode()
    count = pa.scalar(len(codes.dictionary), pa.int64())
    pairs = pc.add(pc.multiply(pc.list_parent_indices(lists), count), codes.indices.cast(pa.int64()))
    if pc.count_distinct(pairs).as_py() == len(keys):
        return None
    values, counts = pc.value_counts(pairs).flatten()
    return _marked(lists, pc.divide(values.filter(pc.greater(counts, pa.scalar(1, pa.int64()))), count))


def _marked(lists: pa.ListArray, rows: pa.Int64Array) -> pa.BooleanArray:
    return pc.is_in(pa.array(range(len(lists)), pa.int64()), rows)


def _nested(
    array: pa.Array, text: pa.StringArray, children: Sequence[JsonText], repeating: pa.BooleanArray | None = None
) -> JsonText:
    """Return values made of others: null where they are null themselves, marked where any part of them is."""
    if array.null_count:
        text = pc.if_else(array.is_valid(), text, pa.scalar(None, pa.string()))
    complaints = [
        child.complaint if child.complaint.startswith(_HOLDS) else f"{_HOLDS}{child.complaint}"
        for child in children
        if child.misfits is not None
    ]
    complaints += [_REPEATS] if repeating is not None else []
    misfits = any_of([*(child.misfits for child in children), repeating])
    return JsonText(text, False, misfits, ", or ".join(dict.fromkeys(complaints)))


_SCALARS: dict[Callable[[pa.DataType], bool], Callable[[pa.Array], JsonText]] = {
    is_text: _text,
    pa.types.is_integer: _integer,
    pa.types.is_decimal: _decimal,
    pa.types.is_floating: _float,
    pa.types.is_boolean: _as_written,
    pa.types.is_date: each_once(date_json),
    pa.types.is_timestamp: each_once(moment_json),
    _is_split: moment_json,
    _is_written: written_json,
    pa.types.is_time: each_once(time_json),
    pa.types.is_duration: duration_json,
    pa.types.is_null: _null,
}
_NESTED: dict[Callable[[pa.DataType], bool], Callable[[pa.Array], JsonText]] = {
    pa.types.is_struct: _struct,
    pa.types.is_map: _map,
    _is_list: _list,
}
