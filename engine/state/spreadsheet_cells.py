"""Values as cells of a CSV file that somebody opens with a double click: each stays what it is. Pure.

A spreadsheet takes a cell for what it looks like: `00123` for 123, `919876543210` for 9.19877E+11, `2026-05-01` for a
date, `=…`, `+…`, `-…` and `@…` for a formula that it calculates (OWASP, CSV injection). So of texts

- those that begin like a formula, or with an apostrophe, get an apostrophe in front, which is seen;
- those that would become a number, a date or a word of the spreadsheet's own are written as `="00123"`, which shows
  `00123`, stays text and is found by that.

Both can be undone: take `="` and `"` away and halve the quotes between them, else take one apostrophe away in front.
Numbers stay numbers, so that amounts can be added up, if a spreadsheet shows all of their digits.
"""

from __future__ import annotations

import re

import msgspec

FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
"""Characters that begin a formula: those of OWASP's list, and the full-width ones that some locales take for them."""

CELL_CHARACTERS_MAX = 32_000
"""A spreadsheet holds 32,767 characters in a cell; longer texts are cut, and end in "…"."""

_LITERAL_CHARACTERS_MAX = 255
"""The longest text that a spreadsheet takes in a formula."""

_INTEGER_DIGITS_MAX = 11
"""A spreadsheet shows a longer whole number as 1.23E+12,"""
_DIGITS_MAX = 15
"""and holds no more digits of any number."""

_WORDS = frozenset({"true", "false", "#n/a", "#ref!", "#name?", "#value!", "#null!", "#num!", "#div/0!"})
_IN_NUMBERS_AND_DATES = re.compile(
    r"e|a|p|am|pm|jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec"
    r"|january|february|march|april|june|july|august|september|october|november|december"
)
_LETTERS = re.compile(r"[^\W\d_]+")


def text_cell(text: str) -> str:
    """Return the cell of a text."""
    if len(text) > CELL_CHARACTERS_MAX:
        text = text[: CELL_CHARACTERS_MAX - 1] + "…"
    if not text:
        return ""
    if text[0] in FORMULA_STARTS or text[0] == "'":
        return f"'{text}"
    if not _would_be_taken_for_another(text):
        return text
    if len(text) > _LITERAL_CHARACTERS_MAX or not text.isprintable():
        return f"'{text}"
    return '="' + text.replace('"', '""') + '"'


def json_cell(value: bytes) -> str:
    """Return the cell of a JSON value: of a text as such, of an object or a list the JSON; null is an empty cell."""
    text = value.strip().decode()
    if text == "null":
        return ""
    if text[0] == '"':
        return text_cell(msgspec.json.decode(value, type=str))
    if text in ("true", "false"):
        return text
    if text[0] in "{[" or not _is_held(text):
        return text_cell(text) if text[0] != "-" else f'="{text}"'
    return text


def _would_be_taken_for_another(text: str) -> bool:
    """Whether a spreadsheet would see a number, a date, a time or a word of its own in a text."""
    if text[0] in "{[":
        return False
    folded = text.strip().casefold()
    if not any(map(str.isdigit, folded)):
        return folded in _WORDS
    return all(map(_IN_NUMBERS_AND_DATES.fullmatch, _LETTERS.findall(folded)))


def _is_held(number: str) -> bool:
    """Whether a spreadsheet holds and shows all digits of a number."""
    if "e" in number or "E" in number:
        return False
    digits = number.lstrip("-").replace(".", "")
    return len(digits.lstrip("0")) <= (_DIGITS_MAX if "." in number else _INTEGER_DIGITS_MAX)
