"""What a column of a source holds, judged from its values as text: what they mean, gaps, whether it could be the id.

Pure and bounded: nothing of a value is kept but a hash.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.commands.init.guesses import NULL_MARKS, NULL_WORDS, Guess, Meaning
from engine.settings import GuardTable

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

MAX_REPEATED = GuardTable().max_superseded

API_IDS = ("loan_id", "lead_id")
"""What the API itself calls the ids of records."""

_TEXT_NAMES = re.compile(
    r"(^|_)(id|no|number|phone|mobile|tel|zip|pin|pincode|postcode|code|account|acct|aadhaar|pan|card)($|_)"
)
"""Columns of digits that are names of something, not amounts: as numbers they would lose zeros in front."""

_PHONE_NAMES = re.compile(r"phone|mobile|(^|_)tel(_|$)")

_ROW_NUMBERS = re.compile(
    r"((s|sr|sl|ser|serial|row|line|index|unnamed)_?)?(no|nr|num|number|index|id|\d+)?|sno|srno|slno|row|idx|#"
)
"""Names of columns that count rows: unique, and another number for the same loan tomorrow."""


_SPACES_OF_VALUES = " \t\r\n"
"""The white space that is ignored around values of a type."""

_MARKED_AS_TEXT = re.compile("""(=")[^"]*"|(')[+\\d][^']*""")


def plain_name(name: str) -> str:
    """Return `Loan ID`, `loanId` and `LOAN-ID` as `loan_id`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", spaced.casefold()).strip("_")


@dataclass(slots=True)
class ColumnSurvey:
    """One column. Feed it every value with `add`; empty text stands for a missing value.

    `refused` is why the column cannot be the id whatever its values are, as "holds double"; `has_no_json` tells that
    they cannot be sent at all, `is_bytes` that they are bytes which are text.
    """

    name: str
    rows: int = 0
    filled: int = 0
    repeated: int = 0
    """How many of its values came before."""
    refused: str = ""
    no_ids: int = 0
    """How many of its values are neither text nor integers."""
    has_no_json: bool = False
    is_bytes: bool = False
    padded: bool = False
    """Whether a value begins or ends with white space."""
    must_be_trimmed: bool = False
    """Whether the white space matters in a column of numbers or dates, too."""
    quoted: int = 0
    """How many of its values stand in quotes that were taken for text."""
    null_words: set[str] = field(default_factory=set)
    """Words found that stand for nothing."""
    meaning: Meaning = field(default_factory=Meaning)
    text_marks: set[str] = field(default_factory=set)
    """The characters around its values by which a spreadsheet knows that digits are text, if every value has some."""
    _marks: set[str] = field(default_factory=set)
    _hashes: set[int] = field(default_factory=set)

    def add(self, value: str, row: int = 0) -> None:
        """Look at the value of the next row; `row` is its number, unless they all follow one another."""
        self.rows += 1
        if not value:
            return
        word = value.strip()
        self.padded |= word != value
        self.must_be_trimmed |= word != value.strip(_SPACES_OF_VALUES)
        self.must_be_trimmed |= word != value and (not word or word in NULL_WORDS or word in NULL_MARKS)
        if not word:
            return
        self.filled += 1
        self.quoted += len(word) > 1 and word[0] == word[-1] == '"'
        marked = _MARKED_AS_TEXT.fullmatch(word)
        if marked and (self.text_marks or self.filled == 1):
            self.text_marks.update(marked[1] or marked[2])
        else:
            self.text_marks.clear()
        if word in NULL_WORDS:
            self.null_words.add(word)
        elif word in NULL_MARKS:
            self._marks.add(word)
        else:
            self.meaning.add(value, row or self.rows)
        self._hashes.add(hash(value))
        self.repeated = self.filled - len(self._hashes)

    @property
    def could_be_id(self) -> bool:
        """Whether the type of its values does not stand against it."""
        return not self.refused

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value, and none has the same."""
        return self.could_be_id and self.rows > 0 and self.filled == self.rows and not self.repeated

    @property
    def mostly_repeats(self) -> bool:
        """Whether so many values repeat that a sync would not take it for the id."""
        return MAX_REPEATED.exceeded(self.repeated, self.filled)

    @property
    def is_named_like_an_id(self) -> bool:
        """Whether the column's name says that it identifies records, and does not only count rows."""
        plain = plain_name(self.name)
        if plain in ID_NAMES:
            return True
        return plain.endswith(("_id", "_no", "_number")) and not (_PHONE_NAMES.search(plain) or self.counts_rows)

    @property
    def counts_rows(self) -> bool:
        """Whether the column's name says that it numbers the rows of this one export."""
        plain = plain_name(self.name)
        return plain not in ID_NAMES and bool(_ROW_NUMBERS.fullmatch(plain or "#"))

    @property
    def names_something(self) -> bool:
        """Whether the column's name says that its digits are a name, such as a phone number."""
        return bool(_TEXT_NAMES.search(plain_name(self.name)))

    @property
    def share_filled(self) -> str:
        """In how many of its rows there is a value, in per cent; one that means nothing is none."""
        return f"{self.meaning.filled / self.rows:.0%} filled" if self.rows else "no values"

    @property
    def guess(self) -> Guess | None:
        """What its values most likely mean; None if they are text."""
        best = self.meaning.best()
        if best is None or (best.is_of_digits and self.names_something):
            return None
        return best

    @property
    def nulls(self) -> tuple[str, ...]:
        """The words that mean null in it."""
        return tuple(sorted(self.null_words | (self._marks if self.guess else set())))


def rank_ids(columns: Sequence[ColumnSurvey]) -> list[ColumnSurvey]:
    """Return the columns that could hold the id, the best first.

    The names that the API knows come first; then columns named like ids, the unique ones ahead; then others that are
    unique, those last that only count rows; and behind all of them, whatever their names, those that mostly repeat.
    """

    def key(position: int) -> tuple[bool, bool, bool, bool, int, bool, int]:
        column, name = columns[position], plain_name(columns[position].name)
        known = ID_NAMES.index(name) if name in ID_NAMES else len(ID_NAMES)
        named = column.is_named_like_an_id
        unknown = name not in API_IDS
        return (column.mostly_repeats, unknown, not named, not column.is_unique, known, column.counts_rows, position)

    order = sorted((position for position, column in enumerate(columns) if column.could_be_id), key=key)
    return [columns[position] for position in order]
