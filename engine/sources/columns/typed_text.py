"""CSV text with a declared type → JSON text, exact: no value passes through a float.

Most cells already are what JSON wants, which whole columns can show at once; only the others are read one by one.
Around typed values spaces are ignored. What does not fit its type is left out and marked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.to_json import JsonText, escape, where_not
from engine.sources.json_text import DEPTH_MAX, nests_deeper
from engine.sources.spec import ColumnType

_BOOLEANS = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}
_BOOLEAN_WORDS = pa.array(_BOOLEANS, pa.string())
_BOOLEAN_VALUES = pa.array(_BOOLEANS.values(), pa.string())

_SPACES = " \t\r\n"
_integer = re.compile(r"([+-]?)0*([0-9]+)")
_number = re.compile(r"([+-]?)0*([0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_FIRST_DATE = pa.scalar(date(1, 1, 1))

_decode_json = msgspec.json.Decoder(float_hook=str).decode


class _Reading(NamedTuple):
    """How text of one type is read: `plain` marks the values that are sent as they are, `read` reads the others."""

    plain: Callable[[pa.StringArray], pa.BooleanArray]
    read: Callable[[str], str | None]
    complaint: str


def typed_json(text: pa.StringArray, type_: ColumnType) -> JsonText:
    """Return a column of valid UTF-8 text as JSON text of the declared type; nulls stay nulls."""
    if type_ == "string":
        return JsonText(escape(text), quoted=True)
    if type_ == "boolean":
        return _booleans(text)
    if type_ == "date":
        return _dates(text)
    reading = _READINGS[type_]
    plain = reading.plain(text)
    others = where_not(plain)
    if others is None:
        return JsonText(text, quoted=False)
    values = [reading.read(value.strip(_SPACES)) for value in text.filter(others).to_pylist()]
    text = pc.replace_with_mask(text, others, pa.array(values, pa.string()))
    misfits = pc.and_(others, text.is_null()) if None in values else None
    return JsonText(text, False, misfits, reading.complaint)


def _booleans(text: pa.StringArray) -> JsonText:
    """`true`, `yes` and `1`, or `false`, `no` and `0`, in capitals or small letters."""
    words = pc.index_in(pc.ascii_lower(pc.ascii_trim(text, _SPACES)), _BOOLEAN_WORDS)
    fits = pc.or_(words.is_valid(), text.is_null())
    return JsonText(_BOOLEAN_VALUES.take(words), False, where_not(fits), "is not true or false")


def _plain_integers(text: pa.StringArray) -> pa.BooleanArray:
    try:
        return pc.equal(text.cast(pa.int64()).cast(pa.string()), text)
    except pa.ArrowInvalid:
        return pc.match_substring_regex(text, r"^(0|-?[1-9][0-9]*)$")


def _read_integer(value: str) -> str | None:
    """A whole number of any size: leading zeros and a plus sign go, because JSON has none."""
    match = _integer.fullmatch(value)
    if not match:
        return None
    sign, digits = match.groups()
    return f"-{digits}" if sign == "-" and digits != "0" else digits


def _plain_numbers(text: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(text, r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$")


def _read_number(value: str) -> str | None:
    """A decimal number, digit for digit: leading zeros and a plus sign go, `.5` and `5.` get the zero JSON wants."""
    match = _number.fullmatch(value)
    if not match or not any(character.isdigit() for character in value.lower().partition("e")[0]):
        return None
    sign, digits, fraction, exponent = (part or "" for part in match.groups())
    return f"{sign.strip('+')}{digits or '0'}{fraction if fraction != '.' else ''}{exponent}"


def _dates(text: pa.StringArray) -> JsonText:
    """Dates, or the midnights at which they begin, as many programs write them."""
    if _are_dates(text):
        return JsonText(text, quoted=True)
    days = pc.replace_substring_regex(pc.ascii_trim(text, _SPACES), r"[T ]00:00(:00(\.0+)?)?$", "")
    if _are_dates(days):
        return JsonText(days, quoted=True)
    fits = pa.array([None if day is None else _is_date(day) for day in days.to_pylist()], pa.bool_())
    return JsonText(days, True, where_not(fits), "is not a date like 2026-11-30")


def _are_dates(text: pa.StringArray) -> bool:
    try:
        days = text.cast(pa.date32())
    except pa.ArrowInvalid:
        return False
    are_dates: bool = pc.all(pc.greater_equal(days, _FIRST_DATE), min_count=0).as_py()
    return are_dates


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _no_json_is_plain(text: pa.StringArray) -> pa.BooleanArray:
    return text.is_null()


def _read_json(value: str) -> str | None:
    """Any JSON value, as it is written; line breaks between its parts become spaces."""
    try:
        _decode_json(value)
    except (msgspec.DecodeError, RecursionError):
        return None
    if nests_deeper(value.encode(), DEPTH_MAX):
        return None
    return value.replace("\r", " ").replace("\n", " ")


_READINGS: dict[ColumnType, _Reading] = {
    "integer": _Reading(_plain_integers, _read_integer, "is not a whole number"),
    "number": _Reading(_plain_numbers, _read_number, "is not a number"),
    "json": _Reading(_no_json_is_plain, _read_json, "is not JSON"),
}
