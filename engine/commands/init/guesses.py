"""What the values of a column may mean: forms in which numbers, dates and booleans are written, tried on each value.

A form is a `ColumnShape`, and what reads it here is what reads it in a sync, so what is proposed works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from engine.sources import ColumnShape, TextType, text_type

ODD_SHARE_MAX = 0.05
"""A form may be proposed if at most so many values do not have it; those will be invalid."""

ODD_MIN = 3
"""Few values prove nothing: so many may be odd before a form is given up."""

ROWS_SHOWN = 3

DIGITS_MAX = 15
"""More digits than that are a reference, not an amount; and as a number they would be rounded by many readers."""

_NULL_WORDS = r"NULL null Null (null) <NA> NA NaN nan NAN NaT None NONE N/A n/a #N/A nil NIL \N #NULL! #REF! #DIV/0!"

NULL_WORDS = frozenset(_NULL_WORDS.split())
"""Words that programs write for nothing."""

NULL_MARKS = frozenset(("-", "--", "?", ".", "*"))
"""Marks that people write for nothing; only in columns of numbers and dates, since text may well mean them."""

_CURRENCY = re.compile(r"(?:₹|rs\.?|inr|us\$|\$|€|£|¥|usd|eur|gbp)", re.IGNORECASE)

_DAY_MONTH_YEAR = [f"%d{mark}%m{mark}%Y" for mark in "/-."]
_DATE_FORMATS = (
    *_DAY_MONTH_YEAR,
    *(f"%m{mark}%d{mark}%Y" for mark in "/-"),
    *(f"%Y{mark}%m{mark}%d" for mark in "/."),
    *(f"%d{mark}%b{mark}%Y" for mark in "- "),
    *(f"%d{mark}%B{mark}%Y" for mark in "- "),
    "%b %d, %Y",
    "%B %d, %Y",
    *(f"{day} {time}" for day, time in product((*_DAY_MONTH_YEAR, "%m/%d/%Y"), ("%H:%M", "%H:%M:%S"))),
    *(f"%d{mark}%m{mark}%y" for mark in "/-."),
    *(f"%m{mark}%d{mark}%y" for mark in "/-"),
    *(f"%d{mark}%b{mark}%y" for mark in "- "),
)

_DATES_OF_DIGITS = {
    "%Y%m%d": re.compile(r"(19|20)\d{6}").fullmatch,
    "%d%m%Y": re.compile(r"\d{4}(19|20)\d{2}").fullmatch,
}
"""Dates that could be whole numbers, and which of those they could be."""

FORMS: tuple[ColumnShape, ...] = (
    *(ColumnShape(type="date", date_format=date_format) for date_format in _DATES_OF_DIGITS),
    ColumnShape(type="integer"),
    ColumnShape(type="number"),
    ColumnShape(type="number", thousands=","),
    ColumnShape(type="number", decimal=","),
    ColumnShape(type="number", thousands=".", decimal=","),
    ColumnShape(type="number", thousands=" ", decimal=","),
    ColumnShape(type="number", thousands=" "),
    ColumnShape(type="number", thousands="'"),
    ColumnShape(type="date"),
    *(ColumnShape(type="date", date_format=date_format) for date_format in _DATE_FORMATS),
    ColumnShape(type="boolean"),
    *(ColumnShape(type="boolean", true=(true,), false=(false,)) for true, false in ("YN", "yn", "TF", "tf")),
)
"""The forms that are tried; where several fit as well, the first one is meant."""

_DATE_LIKE = re.compile(
    r"\d{1,4}[/.-](\d{1,2}|[a-z]{3,9})[/.-]\d{2,4}([ T].*)?|[a-z]{3,9} \d{1,2},? \d{4}|\d{1,2} [a-z]{3,9},? \d{4}",
    re.IGNORECASE,
)
_AMOUNT_LIKE = re.compile(r"[(+-]?[₹$€£]? ?\d[\d., ']*\)?( ?%| ?/?-| ?[cd]r\.?)?", re.IGNORECASE)
_EXPONENT = re.compile(r"\d[eE][+-]?\d")
_ROUNDED = re.compile(r"[1-9](\.\d+)?E\+?\d{2}", re.IGNORECASE)


@dataclass(slots=True)
class Guess:
    """A form, how many values have it, and where those stand that have not."""

    shape: ColumnShape
    reading: TextType
    fits: int = 0
    odd: int = 0
    odd_rows: list[int] = field(default_factory=list)

    def add(self, text: str, row: int) -> bool:
        """Try a value; return whether the form may still be the one."""
        if _is_a_name(text, self.shape):
            return False
        of_digits = _DATES_OF_DIGITS.get(self.shape.date_format or "")
        if (of_digits is None or of_digits(text)) and self.reading.read(text) is not None:
            self.fits += 1
            return True
        self.odd += 1
        if len(self.odd_rows) < ROWS_SHOWN:
            self.odd_rows.append(row)
        return self.odd <= max(ODD_MIN, 2 * ODD_SHARE_MAX * (self.fits + self.odd))

    @property
    def is_of_digits(self) -> bool:
        """Whether its values are all digits, and could be parts of a name."""
        return self.shape.type in ("integer", "number") or self.shape.date_format in _DATES_OF_DIGITS

    @property
    def is_likely(self) -> bool:
        """Whether the form may be proposed."""
        return self.fits > 0 and self.odd <= ODD_SHARE_MAX * (self.fits + self.odd)


def _is_a_name(text: str, shape: ColumnShape) -> bool:
    """Whether what would be read as a number is rather a name: with a zero in front, a plus sign, too many digits."""
    if shape.type not in ("integer", "number"):
        return False
    digits = text.lstrip("-")
    zero_in_front = digits[:1] == "0" and digits[1:2].isdigit()
    exponent = _EXPONENT.search(digits) is not None
    return zero_in_front or exponent or digits[:1] == "+" or sum(map(str.isdigit, digits)) > DIGITS_MAX


@dataclass(slots=True)
class Meaning:
    """What the values of a column may mean, as far as they were looked at."""

    guesses: list[Guess] = field(default_factory=lambda: [Guess(shape, text_type(shape)) for shape in FORMS])
    filled: int = 0
    date_like: int = 0
    date_forms: set[str] = field(default_factory=set)
    """How those are written, `9` for digits and `a` for letters; two forms are enough."""
    amount_like: int = 0
    rounded: int = 0
    """Values such as 1.23457E+12, as spreadsheets write long numbers when they forget their last digits."""
    signs: set[str] = field(default_factory=set)
    """The characters of the currency signs at the ends of values."""

    def add(self, text: str, row: int) -> None:
        """Look at a value that is not null."""
        self.filled += 1
        text = text.strip()
        amount = self._without_currency(text)
        if _DATE_LIKE.fullmatch(text):
            self.date_like += 1
            if len(self.date_forms) < 2:
                self.date_forms.add(_form_of(text))
        self.amount_like += bool(_AMOUNT_LIKE.fullmatch(amount))
        self.rounded += bool(_ROUNDED.fullmatch(text))
        self.guesses = [
            guess for guess in self.guesses if guess.add(amount if guess.shape.type == "number" else text, row)
        ]

    def _without_currency(self, text: str) -> str:
        for match in (_CURRENCY.match(text), *_at_end(text)):
            if match:
                self.signs.update(match[0])
                text = text.replace(match[0], "", 1).strip()
        return text

    def best(self) -> Guess | None:
        """Return the form that the fewest values lack, if it is likely."""
        likely = [guess for guess in self.guesses if guess.is_likely]
        return min(likely, key=lambda guess: guess.odd) if likely else None

    def as_good_as(self, best: Guess) -> Sequence[Guess]:
        """Return other forms of the same type that fit as many values."""
        return [each for each in self.guesses if each is not best and each.odd == best.odd and _differ(each, best)]

    @property
    def are_moments(self) -> bool:
        """Whether its values are dates with a time of day, all written in one form."""
        return self.date_like == self.filled and len(self.date_forms) == 1 and ":" in "".join(self.date_forms)

    @property
    def strip(self) -> str:
        """The characters to remove at both ends, so that currency signs are gone."""
        return "".join(sorted(self.signs | {" "})) if self.signs else ""


def _form_of(text: str) -> str:
    text = re.sub(r"(:\d\d)\.\d+", r"\1", text)  # many programs leave a fraction out where it is zero
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text))


def _at_end(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _CURRENCY.finditer(text) if match.end() == len(text) and match.start())


def _differ(one: Guess, other: Guess) -> bool:
    """Whether two forms that fit the same values would make other values of them."""
    if one.shape.type != other.shape.type:
        return False
    if one.shape.type == "date":
        order = [[code for code in str(guess.shape.date_format) if code in "dmyY"] for guess in (one, other)]
        return order[0] != order[1] and None not in (one.shape.date_format, other.shape.date_format)
    return one.shape.decimal != other.shape.decimal
