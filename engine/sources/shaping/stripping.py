"""`strip`: characters removed at both ends of a value; of a number never what may be a part of it.

In front of a number, a sign stays, and so does the decimal mark right before a digit, unless a letter before it makes
it the dot of an abbreviation: with `strip = "₹Rs. -"`, `-₹500` is -500, `Rs. .50` is 0.50 and `Rs.50` is 50. Behind it,
a minus goes only where it stands for "no fraction", as in `500/-`, `500.-` and `500,-`. What may mean something else is
left whole, so that it is no number: `500-` and `(500)`, as accountants write less than nothing, or `...50`.
"""

from __future__ import annotations

import re

from engine.sources.spec import ColumnShape

MINUS_SIGNS = "-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
"""What people and programs write for a minus; only the first one is one in a number."""

_SIGNS = f"{MINUS_SIGNS}+"
_BEFORE_NO_FRACTION = "/.,"
"""What stands before a dash that means that there is no fraction."""


class NumberStripper:
    """Removes some characters around numbers, with care."""

    def __init__(self, characters: str, decimal: str) -> None:
        self._characters = characters
        self._decimal = decimal
        harmless = "".join(character for character in characters if character not in f"{_SIGNS}(){decimal}")
        other, front = f"[^{re.escape(characters)}]", _one_of(harmless)
        behind = _one_of(harmless + decimal)
        abbreviation = r"\pL\.|" if decimal == "." else ""
        self.regular = rf"(?s)^(?:{abbreviation}{front})*{other}(?:.*{other})?{behind}*$"
        """Matches values around which there is nothing to take care of, as an expression that Arrow understands."""

    def __call__(self, text: str) -> str:
        """Return the text of a number without what is to be removed, or all of it; see `strip_number`."""
        return strip_number(text, self._characters, self._decimal)


def _one_of(characters: str) -> str:
    return f"[{re.escape(characters)}]" if characters else r"[^\s\S]"


def stripper(shape: ColumnShape) -> NumberStripper | None:
    """Return what removes the characters of `shape.strip`, where it must take care of parts of numbers; else None."""
    is_number = shape.type in ("integer", "number")
    if not is_number or not set(shape.strip) & {*_SIGNS, *"()", shape.decimal}:
        return None
    return NumberStripper(shape.strip, shape.decimal)


def strip_number(text: str, characters: str, decimal: str) -> str:
    """Return the text of a number without `characters` at its ends, or all of it if they may be a part of it."""
    without_front = text.lstrip(characters)
    number = without_front.rstrip(characters)
    front, behind = text[: len(text) - len(without_front)], without_front[len(number) :]
    if not number:
        return ""
    signs = [character for character in front if character in _SIGNS]
    marks = _decimal_marks(front, decimal) if number[0].isdigit() else 0
    if len(signs) > 1 or marks > 1 or "/-" in front or _has_minus(behind):
        return text
    if any(part.count("(") != part.count(")") for part in (front, behind)):
        return text
    return "".join(signs) + decimal * marks + number


def _decimal_marks(front: str, decimal: str) -> int:
    """Return how many decimal marks `front` ends with, but for the dot of an abbreviation."""
    before = front.rstrip(decimal)
    abbreviates = decimal == "." and before[-1:].isalpha()
    return max(len(front) - len(before) - abbreviates, 0)


def _has_minus(behind: str) -> bool:
    pairs = zip(f" {behind}", behind, strict=False)
    return any(sign in MINUS_SIGNS and before not in _BEFORE_NO_FRACTION for before, sign in pairs)
