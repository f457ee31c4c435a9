"""Text of a declared type → JSON text, one value at a time, exact: no value passes through a float.

This is what the types mean. `columns/typed_text.py` does the same for whole columns, as far as it can show that the
result is the same. Around typed values spaces are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import NamedTuple

import msgspec

from engine.sources.json_text import DEPTH_MAX, nests_deeper
from engine.sources.spec import ColumnShape

SPACES = " \t\r\n"
"""What is ignored around a typed value."""

TRUE_WORDS = ("true", "1", "yes")
FALSE_WORDS = ("false", "0", "no")
"""What is read as a boolean, in capitals or small letters, where a column has no words of its own."""

_GROUP_SPACES = " \u00a0\u202f"
"""What programs write between groups of digits where a space is meant: also those at which no line is broken."""

_DATES_KEPT = 10_000
"""So many different texts of dates are remembered: portfolios have few, and reading one by a format takes its time."""

ScalarReader = Callable[[str], str | None]
"""Takes the text of a value; returns it as JSON, or None if it does not fit the type."""


class TextType(NamedTuple):
    """How text of one type is read, and what is said of a value that does not fit: `column 'x' {complaint}`."""

    read: ScalarReader
    complaint: str


def text_type(shape: ColumnShape) -> TextType:
    """Return how the values of a column of this shape are read once they are trimmed and mapped."""
    if shape.type == "integer":
        form = NumberForm(shape.decimal, shape.thousands, whole=True)
        return TextType(form.read, "is not a whole number")
    if shape.type == "number":
        return TextType(NumberForm(shape.decimal, shape.thousands).read, "is not a number")
    if shape.type == "boolean":
        return TextType(_boolean_reader(shape.true, shape.false), "is not true or false")
    if shape.type == "date":
        return _date_type(shape.date_format)
    if shape.type == "json":
        return TextType(read_json, "is not JSON")
    return TextType(json_string, "")


def json_string(text: str) -> str:
    """Return text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


class NumberForm:
    """How numbers are written: their decimal mark, what groups their digits, and whether they are whole.

    Digits are grouped by threes (`1,250,000`), or, as in India, by twos before the last three (`12,50,000`); another
    grouping is no number, because a mark in the wrong place may be the decimal mark of another country; so may be one
    behind a single zero (`0,500`).
    """

    def __init__(self, decimal: str, thousands: str | None, *, whole: bool = False) -> None:
        self.decimal = decimal
        self.whole = whole
        self.thousands = _GROUP_SPACES if thousands == " " else thousands or ""
        self.is_plain = decimal == "." and not self.thousands
        fraction = "" if whole else f"(?:[{_in_class(decimal)}][0-9]*)?"
        exponent = "" if whole or self.thousands else "(?:[eE][+-]?[0-9]+)?"
        self.pattern = f"[+-]?(?:{self._digits()})?{fraction}{exponent}"
        """What all such numbers look like, and little else, as an expression that Python and Arrow understand."""
        self._fits = re.compile(self.pattern).fullmatch
        self._write = plain_integer if whole else plain_number

    def _digits(self) -> str:
        if not self.thousands:
            return "[0-9]+"
        mark = f"[{_in_class(self.thousands)}]"
        by_threes = f"(?:[1-9]|[0-9]{{2,3}})(?:{mark}[0-9]{{3}})+"
        return f"{by_threes}|(?:[1-9]|[0-9]{{2}})(?:{mark}[0-9]{{2}})*{mark}[0-9]{{3}}|[0-9]+"

    def read(self, text: str) -> str | None:
        """Return a number as JSON writes it, digit for digit; see `ScalarReader`."""
        text = text.strip(SPACES)
        if not self.is_plain:
            if not self._fits(text):
                return None
            for mark in self.thousands:
                text = text.replace(mark, "")
            text = text.replace(self.decimal, ".")
        return self._write(text)


def _in_class(characters: str) -> str:
    """Return characters as they stand between the brackets of a regular expression."""
    return "".join(f"\\{character}" if character in r"\]^-[" else character for character in characters)


_integer = re.compile(r"([+-]?)0*([0-9]+)")
_number = re.compile(r"([+-]?)0*([0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?")


def plain_integer(text: str) -> str | None:
    """Return a whole number of any size: leading zeros and a plus sign go, because JSON has none."""
    match = _integer.fullmatch(text)
    if not match:
        return None
    sign, digits = match.groups()
    return f"-{digits}" if sign == "-" and digits != "0" else digits


def plain_number(text: str) -> str | None:
    """Return a decimal number: leading zeros and a plus sign go, `.5` and `5.` get the zero that JSON wants."""
    match = _number.fullmatch(text)
    if not match or not any(character.isdigit() for character in text.lower().partition("e")[0]):
        return None
    sign, digits, fraction, exponent = (part or "" for part in match.groups())
    return f"{sign.strip('+')}{digits or '0'}{fraction if fraction != '.' else ''}{exponent}"


def _boolean_reader(true: Sequence[str], false: Sequence[str]) -> ScalarReader:
    own = {**dict.fromkeys(true, "true"), **dict.fromkeys(false, "false")}
    usual = {} if true else dict.fromkeys(TRUE_WORDS, "true")
    usual |= {} if false else dict.fromkeys(FALSE_WORDS, "false")

    def read(text: str) -> str | None:
        word = text.strip(SPACES)
        return own.get(word) or usual.get(word.lower())

    return read


def _date_type(date_format: str | None) -> TextType:
    if date_format is None:
        return TextType(_read_iso_date, "is not a date like 2026-11-30")
    example = date(2026, 11, 30).strftime(date_format)
    return TextType(_date_reader(date_format), f"is not a date like {example}")


_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?$")


def _read_iso_date(text: str) -> str | None:
    """A date, or the midnight at which it begins, as many programs write it."""
    day = _MIDNIGHT.sub("", text.strip(SPACES))
    try:
        return f'"{day}"' if date.fromisoformat(day).isoformat() == day else None
    except ValueError:
        return None


_ADJACENT_DIGITS = re.compile("%[dmyYHMSj]%[dmyYHMSjf]")
"""Numbers in a format of dates without anything between them."""


def _date_reader(date_format: str) -> ScalarReader:
    needs_all_digits = _ADJACENT_DIGITS.search(date_format.replace("%%", "")) is not None

    @lru_cache(_DATES_KEPT)
    def read(text: str) -> str | None:
        day = text.strip(SPACES)
        try:
            moment = datetime.strptime(day, date_format)
        except ValueError:
            return None
        if needs_all_digits and moment.strftime(date_format).lower() != day.lower():
            return None  # 1112026 is the 1st of November that a spreadsheet took for a number, or the 11th of January
        # A time of day would be lost, and 23:30 may be meant in a zone where the next day has begun.
        return f'"{moment.date().isoformat()}"' if moment.time() == time() else None

    return read


_decode_json = msgspec.json.Decoder(float_hook=str).decode


def read_json(text: str) -> str | None:
    """Return any JSON value, as it is written; line breaks between its parts become spaces."""
    try:
        _decode_json(text.strip(SPACES))
    except (msgspec.DecodeError, RecursionError):
        return None
    if nests_deeper(text.encode(), DEPTH_MAX):
        return None
    return text.strip(SPACES).replace("\r", " ").replace("\n", " ")
