"""What a column of a source holds, judged from its values as text: its type, gaps, and whether it could be the id.

Pure and bounded: nothing of a value is kept but a hash, and that only as long as the column has no value twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.sources import ColumnType

API_FIELDS = (
    "loan_id",
    "lead_id",
    "first_name",
    "last_name",
    "phone_number",
    "loan_amount",
    "emi_amount",
    "loan_period",
    "current_emi",
    "emi_due_date",
    "payment_status",
    "language",
    "lead_date",
)
"""The fields that debt-collection campaigns know. Source: the API's reference pages."""

ID_NAMES = ("loan_id", "lead_id", "record_id", "customer_id", "account_id", "id")
"""How id columns are called, the likeliest first; then come names that end in `_id`, `_no` or `_number`."""

_TEXT_NAMES = re.compile(
    r"(^|_)(id|no|number|phone|mobile|tel|zip|pin|pincode|postcode|code|account|aadhaar|pan|card)($|_)"
)
"""Columns of digits that are names of something, not amounts: as numbers they would lose zeros in front."""

_PHONE_NAMES = re.compile(r"phone|mobile|(^|_)tel(_|$)")

_PATTERNS: tuple[tuple[ColumnType, re.Pattern[str]], ...] = (
    ("integer", re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)),
    ("number", re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,9})?", re.ASCII)),
    ("date", re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)),
    ("boolean", re.compile(r"true|false")),
)
"""What a value of each type looks like, the narrower type before the wider one."""

_OTHER_DATE = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})( .*)?|\d{4}[/.]\d{1,2}[/.]\d{1,2}( .*)?", re.ASCII)


def plain_name(name: str) -> str:
    """Return `Loan ID`, `loanId` and `LOAN-ID` as `loan_id`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", spaced.casefold()).strip("_")


@dataclass(slots=True)
class ColumnSurvey:
    """One column. Feed it every value with `add`; empty text stands for a missing value."""

    name: str
    rows: int = 0
    filled: int = 0
    repeats: bool = False
    could_be_id: bool = True
    _types: list[tuple[ColumnType, re.Pattern[str]]] = field(default_factory=lambda: list(_PATTERNS))
    _hashes: set[int] = field(default_factory=set)
    _other_dates: bool = True

    def add(self, value: str) -> None:
        """Look at one value."""
        self.rows += 1
        if not value:
            return
        self.filled += 1
        if self._types:
            self._types = [(name, pattern) for name, pattern in self._types if pattern.fullmatch(value)]
        if self._other_dates and not _OTHER_DATE.fullmatch(value):
            self._other_dates = False
        if not self.repeats:
            self._hashes.add(hash(value))
            if len(self._hashes) < self.filled:
                self.repeats = True
                self._hashes.clear()

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value, and none has the same."""
        return self.could_be_id and self.rows > 0 and self.filled == self.rows and not self.repeats

    @property
    def is_named_like_an_id(self) -> bool:
        """Whether the column's name says that it identifies records."""
        plain = plain_name(self.name)
        return plain in ID_NAMES or (plain.endswith(("_id", "_no", "_number")) and not _PHONE_NAMES.search(plain))

    @property
    def looks_numeric(self) -> bool:
        """Whether every value is a number."""
        return self.filled > 0 and any(name == "number" for name, _ in self._types)

    @property
    def names_something(self) -> bool:
        """Whether the column's name says that its digits are a name, such as a phone number."""
        return bool(_TEXT_NAMES.search(plain_name(self.name)))

    @property
    def has_other_dates(self) -> bool:
        """Whether every value looks like a date, but not like YYYY-MM-DD."""
        return self.filled > 0 and self._other_dates

    @property
    def type(self) -> ColumnType:
        """The type to declare; `string` unless every value has the other type and nothing speaks against it."""
        if not self.filled or not self._types or (self.looks_numeric and self.names_something):
            return "string"
        return self._types[0][0]


def rank_ids(columns: Sequence[ColumnSurvey]) -> list[ColumnSurvey]:
    """Return the columns that could hold the id, the best first: by uniqueness, then by name, then by position."""

    def key(position: int) -> tuple[bool, int, int]:
        column, name = columns[position], plain_name(columns[position].name)
        by_name = ID_NAMES.index(name) if name in ID_NAMES else len(ID_NAMES) + (not column.is_named_like_an_id)
        return (not column.is_unique, by_name, position)

    order = sorted((position for position, column in enumerate(columns) if column.could_be_id), key=key)
    return [columns[position] for position in order]
