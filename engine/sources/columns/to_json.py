"""Columns of a table → columns of JSON text, exact, whole columns at a time.

No value passes through a float or a Python object on its way. Text is escaped, numbers are written out in full,
decimals keep their scale, dates and times become ISO 8601. Nulls stay nulls: what becomes of them is the
business of who puts the columns together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

_PRINTABLE = bytes(range(0x20, 0x100))
_CONTROL_ESCAPES = {chr(code): json.dumps(chr(code))[1:-1] for code in range(0x20)}
_FIRST_PRINTABLE = 0x20

_DATE_CHARACTERS = len("2026-11-05")
_SECOND_CHARACTERS = len("2026-11-05 10:00:00")
_TIME_CHARACTERS = len("10:00:00")
_FOUR_DIGIT_YEARS_S = (-62_167_219_200, 253_402_300_800)
"""The first second of the year 0 and that of the year 10000, from 1970."""
_TRUE = pa.scalar(True, pa.bool_())
_NO_DATE = "is not a date in the years 0 to 9999"
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


NULL = pa.scalar("null", pa.string())


class JsonText(NamedTuple):
    """A column as JSON text: `text[i]` is value i, or null if the value is null.

    `quoted` tells that the text is to be put between quotes, which waits until records are put together.
    `misfits[i]` is true if value i can't be sent, and `complaint` says why, as in "column 'x' {complaint}".
    """

    text: pa.StringArray
    quoted: bool
    misfits: pa.BooleanArray | None = None
    complaint: str = ""


def unsupported(type_: pa.DataType) -> str | None:
    """Return the type in `type_` that has no JSON form, or None if all of it has one."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_) or _is_list(type_):
        return unsupported(type_.value_type)
    if pa.types.is_struct(type_):
        return next((found for field in type_ if (found := unsupported(field.type))), None)
    if pa.types.is_map(type_):
        return (None if is_id_type(type_.key_type) else str(type_)) or unsupported(type_.item_type)
    if isinstance(type_, pa.ExtensionType | pa.BaseExtensionType):
        return unsupported(type_.storage_type)
    return None if any(is_it(type_) for is_it in _SCALARS) else str(type_)


def is_id_type(type_: pa.DataType) -> bool:
    """Return whether values of `type_` can be ids: text, or integers, which become their decimal text."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return is_id_type(type_.value_type)
    return bool(pa.types.is_integer(type_)) or is_text(type_)


def to_json(array: pa.Array) -> JsonText:
    """Return any column of a supported type as JSON text."""
    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        return to_json(array.storage)
    if pa.types.is_dictionary(type_):
        return to_json(array.dictionary_decode())
    if pa.types.is_run_end_encoded(type_):
        return to_json(pc.run_end_decode(array))
    for is_it, convert in _NESTED.items():
        if is_it(type_):
            return convert(array)
    return next(convert for is_it, convert in _SCALARS.items() if is_it(type_))(array)


def escape(text: pa.StringArray) -> pa.StringArray:
    """Return valid text as it stands inside a JSON string."""
    raw = _values(text)
    backslashes, quotes = b"\\" in raw, b'"' in raw
    if backslashes:
        text = pc.replace_substring(text, "\\", "\\\\")
    if quotes:
        text = pc.replace_substring(text, '"', '\\"')
    if raw and _smallest_byte(raw) < _FIRST_PRINTABLE:
        for control in sorted(set(raw.translate(None, _PRINTABLE))):
            text = pc.replace_substring(text, chr(control), _CONTROL_ESCAPES[chr(control)])
    return text


def join(*parts: pa.StringArray | str, null_handling: Literal["emit_null", "replace"] = "emit_null") -> pa.StringArray:
    """Return the parts of each row joined. A row with a null in any part is null, or else nulls count as empty."""
    merged: list[Any] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    arguments = [_scalar(part) if isinstance(part, str) else part for part in merged]
    return pc.binary_join_element_wise(*arguments, _scalar(""), null_handling=null_handling, null_replacement="")


@lru_cache(maxsize=4096)
def _scalar(text: str) -> pa.StringScalar:
    return pa.scalar(text, pa.string())  # without the type, Arrow takes 50 µs to infer it


def complete(value: JsonText) -> pa.StringArray:
    """Return JSON values with their quotes; nulls stay nulls."""
    return join('"', value.text, '"') if value.quoted else value.text


def any_of(masks: Sequence[pa.BooleanArray | None]) -> pa.BooleanArray | None:
    """Return where any of some masks is true."""
    found: pa.BooleanArray | None = None
    for mask in masks:
        if mask is not None:
            found = mask if found is None else pc.or_(found, mask)
    return found


def where_not(fits: pa.BooleanArray) -> pa.BooleanArray | None:
    """Return the mask of the values that do not fit (nulls do), or None if all of them fit."""
    return None if pc.all(fits, min_count=0).as_py() else pc.invert(fits.fill_null(_TRUE))


def is_text(type_: pa.DataType) -> bool:
    """Return whether values of `type_` are text."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _is_list(type_: pa.DataType) -> bool:
    lists = (pa.ListType, pa.LargeListType, pa.FixedSizeListType, pa.ListViewType, pa.LargeListViewType)
    return isinstance(type_, lists)


def _values(text: pa.StringArray) -> bytes:
    """Return the bytes of all values, one behind the other."""
    if not len(text):
        return b""
    offsets = memoryview(text.buffers()[1]).cast("i")
    first, last = offsets[text.offset], offsets[text.offset + len(text)]
    values = text.buffers()[2]
    return values.slice(first, last - first).to_pybytes() if last > first else b""


def _smallest_byte(raw: bytes) -> int:
    smallest: int = pc.min(pa.Array.from_buffers(pa.uint8(), len(raw), [None, pa.py_buffer(raw)])).as_py()
    return smallest


def _text(array: pa.Array) -> JsonText:
    found = valid_text(array)
    return found._replace(text=escape(found.text), quoted=True)


def valid_text(array: pa.Array) -> JsonText:
    """Return a column of text as it is, not escaped; what is not valid UTF-8 is marked as not fitting."""
    text = array.cast(pa.string()) if array.type != pa.string() else array
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return _partly_invalid_text(text)
    return JsonText(text, quoted=False)


def _partly_invalid_text(text: pa.StringArray) -> JsonText:
    values = [_decoded(value) for value in text.view(pa.binary()).to_pylist()]
    valid = pa.array(values, pa.string())
    misfits = pc.and_(text.is_valid(), valid.is_null())
    return JsonText(valid, quoted=False, misfits=misfits, complaint="is not valid UTF-8")


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _plain(array: pa.Array) -> JsonText:
    return JsonText(array.cast(pa.string()), quoted=False)


def _float(array: pa.Array) -> JsonText:
    """The shortest decimal text that reads back as the same float of the same width."""
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    misfits = where_not(pc.is_finite(array))
    return JsonText(array.cast(pa.string()), quoted=False, misfits=misfits, complaint="is not a finite number")


def _date(array: pa.Array) -> JsonText:
    text = array.cast(pa.date32()).cast(pa.string())
    fits = pc.equal(
        pc.binary_length(text), pa.scalar(_DATE_CHARACTERS, pa.int32())
    )  # a year beyond four digits, or before 0, takes more
    return JsonText(text, True, where_not(fits), _NO_DATE)


def _timestamp(array: pa.Array) -> JsonText:
    """Local time with the offset of its zone, or without one if it has none; no fraction if that is zero."""
    offset: pa.StringArray | str = ""
    if array.type.tz is not None:
        array, offset = _local_time(array)
    count = array.cast(pa.int64())
    per_second = _UNITS_PER_SECOND[array.type.unit]
    text = array.cast(pa.string())
    if per_second > 1:
        divisor = pa.scalar(per_second, pa.int64())
        whole = pc.equal(pc.multiply(pc.divide(count, divisor), divisor), count)
        text = pc.if_else(whole, pc.utf8_slice_codeunits(text, 0, _SECOND_CHARACTERS), text)
    text = pc.utf8_replace_slice(text, _DATE_CHARACTERS, _DATE_CHARACTERS + 1, "T")
    first, last = (
        pa.scalar(min(max(second * per_second, -(2**63)), 2**63 - 1), pa.int64()) for second in _FOUR_DIGIT_YEARS_S
    )
    fits = pc.and_(pc.greater_equal(count, first), pc.less(count, last))
    return JsonText(join(text, offset), True, where_not(fits), _NO_DATE)


def _local_time(array: pa.TimestampArray) -> tuple[pa.TimestampArray, pa.StringArray]:
    """Return the local times of a zone and their offsets: the same instants in UTC where the zone is not known."""
    utc = array.cast(pa.timestamp(array.type.unit))
    try:
        local = pc.local_timestamp(array)
    except pa.ArrowInvalid:
        local = utc
    per_second = pa.scalar(_UNITS_PER_SECOND[array.type.unit], pa.int64())
    seconds = pc.divide(pc.subtract(local.cast(pa.int64()), utc.cast(pa.int64())), per_second).dictionary_encode()
    texts = pa.array([_offset(value) for value in seconds.dictionary.to_pylist()], pa.string())
    return local, texts.take(seconds.indices)


def _offset(seconds: int) -> str:
    if not seconds:
        return "Z"
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{rest:02}" if rest else text  # local mean time, before zones were


def _time(array: pa.Array) -> JsonText:
    text = array.cast(pa.string())
    whole = pc.match_substring_regex(text, r"^[^.]*(\.0+)?$")
    return JsonText(pc.if_else(whole, pc.utf8_slice_codeunits(text, 0, _TIME_CHARACTERS), text), quoted=True)


def _duration(array: pa.Array) -> JsonText:
    """ISO 8601 in seconds, such as `PT90.5S`."""
    digits = len(str(_UNITS_PER_SECOND[array.type.unit])) - 1
    texts = [_iso_duration(count, digits) for count in array.cast(pa.int64()).to_pylist()]
    return JsonText(pa.array(texts, pa.string()), quoted=True)


def _iso_duration(count: int | None, digits: int) -> str | None:
    if count is None:
        return None
    seconds, fraction = divmod(abs(count), 10**digits)
    decimals = f".{fraction:0{digits}}".rstrip("0") if fraction else ""
    return f"{'-' if count < 0 else ''}PT{seconds}{decimals}S"


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
    lengths = pc.list_value_length(array)
    return _joined_items(array, lengths, to_json(array.flatten()), "[]")


def _map(array: pa.MapArray) -> JsonText:
    """An object; integer keys become their decimal text."""
    entries = pa.ListArray.from_arrays(array.offsets, pa.StructArray.from_arrays([array.keys, array.items], ["k", "v"]))
    if array.null_count:
        entries = pc.if_else(array.is_valid(), entries, pa.scalar(None, entries.type))
    keys, values = (to_json(child) for child in entries.flatten().flatten())
    text = join('"', keys.text, '":', complete(values).fill_null(NULL))
    misfits = any_of([keys.misfits, values.misfits])
    items = JsonText(text, quoted=False, misfits=misfits, complaint=keys.complaint or values.complaint)
    return _joined_items(array, pc.list_value_length(entries), items, "{}")


def _joined_items(array: pa.Array, lengths: pa.Array, items: JsonText, brackets: str) -> JsonText:
    """Put the items of each row between brackets; `items` are those of all rows, one behind the other."""
    zero = pa.array([0], pa.int32())
    ends = pc.cumulative_sum(lengths.cast(pa.int32()).fill_null(zero[0]))
    offsets = pa.concat_arrays([zero, ends])
    lists = pa.ListArray.from_arrays(offsets, complete(items).fill_null(NULL))
    misfits = None
    if items.misfits is not None:
        counts = pa.concat_arrays([zero, pc.cumulative_sum(items.misfits.cast(pa.int32()))]).take(offsets)
        misfits = pc.greater(pc.subtract(counts.slice(1), counts.slice(0, len(array))), zero[0])
    text = join(brackets[0], pc.binary_join(lists, _scalar(",")), brackets[1])
    return _nested(array, text, [items._replace(misfits=misfits)])


def _nested(array: pa.Array, text: pa.StringArray, children: Sequence[JsonText]) -> JsonText:
    if array.null_count:
        text = pc.if_else(array.is_valid(), text, pa.scalar(None, pa.string()))
    complaint = next((f"holds a value that {child.complaint}" for child in children if child.misfits is not None), "")
    complaint = complaint.replace("holds a value that holds", "holds")
    return JsonText(text, False, any_of([child.misfits for child in children]), complaint)


_SCALARS: dict[Callable[[pa.DataType], bool], Callable[[pa.Array], JsonText]] = {
    is_text: _text,
    pa.types.is_integer: _plain,
    pa.types.is_decimal: _plain,
    pa.types.is_floating: _float,
    pa.types.is_boolean: _plain,
    pa.types.is_date: _date,
    pa.types.is_timestamp: _timestamp,
    pa.types.is_time: _time,
    pa.types.is_duration: _duration,
    pa.types.is_null: _null,
}
_NESTED: dict[Callable[[pa.DataType], bool], Callable[[pa.Array], JsonText]] = {
    pa.types.is_struct: _struct,
    pa.types.is_map: _map,
    _is_list: _list,
}
