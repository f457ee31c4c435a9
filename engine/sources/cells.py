"""One CSV cell as JSON, by its declared type. Text is never altered; numbers keep every digit.

Each function takes the text of a non-empty cell and returns JSON bytes, or raises `NotOfType`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import msgspec
import orjson

from engine.sources.spec import ColumnType

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eE][+-]?[0-9]+)?", re.ASCII)
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?", re.ASCII)
_BOOLEANS = {"true": b"true", "1": b"true", "yes": b"true", "false": b"false", "0": b"false", "no": b"false"}


class NotOfType(ValueError):
    """The cell is not what its column was declared to be."""


def string(text: str) -> bytes:
    """Any text, as it is."""
    return orjson.dumps(text)


def integer(text: str) -> bytes:
    """A whole number of any size; a plus sign and leading zeros go, because JSON has none."""
    if not _INTEGER.fullmatch(text.strip()):
        raise NotOfType
    sign, digits = ("-", text.strip()[1:]) if text.strip()[0] == "-" else ("", text.strip().lstrip("+"))
    digits = digits.lstrip("0") or "0"
    return (("" if digits == "0" else sign) + digits).encode()


def number(text: str) -> bytes:
    """A decimal number with the very digits it has, such as `1.10` or `1e5`; NaN and infinity are no numbers."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise NotOfType
    sign, whole, fraction, exponent = match.groups()
    if not (whole or fraction or "0" in text):
        raise NotOfType
    if fraction is None or fraction == "":
        fraction = None
    return ("-" * (sign == "-") + (whole or "0") + (f".{fraction}" if fraction else "") + (exponent or "")).encode()


def boolean(text: str) -> bytes:
    """`true`, `yes`, `1` and their opposites, in any case."""
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise NotOfType from None


def calendar_date(text: str) -> bytes:
    """A date as `YYYY-MM-DD`, also with midnight as its time; other orders of day and month could be mistaken."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise NotOfType
    try:
        date.fromisoformat(match[1])
    except ValueError:
        raise NotOfType from None
    return b'"' + match[1].encode() + b'"'


def json_value(text: str) -> bytes:
    """JSON, inserted as it stands, but on one line."""
    raw = text.strip().encode()
    try:
        msgspec.json.decode(raw)
        orjson.loads(raw)  # refuses what the other lets pass: lone surrogates
    except (msgspec.MsgspecError, orjson.JSONDecodeError, RecursionError, UnicodeDecodeError):
        raise NotOfType from None
    return raw.replace(b"\n", b" ").replace(b"\r", b" ")


READERS: dict[ColumnType, Callable[[str], bytes]] = {
    "string": string,
    "integer": integer,
    "number": number,
    "boolean": boolean,
    "date": calendar_date,
    "json": json_value,
}

NAMES: dict[ColumnType, str] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date like 2026-11-30",
    "json": "JSON",
}
"""How reasons call the types."""
