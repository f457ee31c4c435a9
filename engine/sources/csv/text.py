"""CSV text record by record, exact and not hurried: the meaning of CSV sources.

A cell that begins with a quote goes on to the closing quote, over delimiters and line breaks; a doubled quote inside
means one. Anywhere else a quote is an ordinary character. Where there is an escape, it takes a quote, a delimiter, a
line break or another escape behind it literally, inside quotes and outside; before anything else it is an ordinary
character. Nothing is trimmed. A record ends at a line feed, a carriage return or both; empty lines are skipped, and so
is a BOM that a record begins with, as where files were put together.

Which quoted cells are to be believed is said in `stray_quotes.py`; the fast path in `table.py` only proves that it
would say the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from engine.sources.formats import DELIMITERS

CLOSED_BADLY = "text follows the closing quote of a cell"

LINE_END = re.compile(r"\r\n|\r|\n")

BETWEEN_RECORDS = "\r\n\ufeff"
"""What may stand before a record and is no part of one."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the cells of a text are told apart: one character each; `quote` and `escape` are "" where there is none."""

    delimiter: str
    quote: str = '"'
    escape: str = ""

    def words(self) -> str:
        """Return it as a person would say it."""
        separated = f"columns separated by {DELIMITERS.get(self.delimiter) or repr(self.delimiter)}"
        quoted = f"quoted by {self.quote}" if self.quote else "not quoted"
        return f"{separated}, {quoted}" + (f", escaped by {self.escape}" if self.escape else "")


class TextRecord(NamedTuple):
    """A record of CSV text: its cells, where it stands in the text, and what is wrong with it, if anything is.

    `spans_lines` tells that a quoted cell of it holds a line break.
    """

    cells: list[str]
    start: int
    end: int
    problem: str | None = None
    spans_lines: bool = False


class OpenCell(NamedTuple):
    """A quoted cell without its closing quote: where it begins, and the cells of its record before it."""

    start: int
    before: list[str]


class RecordReader:
    """Reads the records of one piece of text, which begins with a record.

    `position` is behind the last whole record read. `open_cell` tells, when there are no more, that the text ends
    inside a quoted cell. `ended` says that nothing follows the text, so
    that its last record is whole.
    """

    def __init__(self, text: str, dialect: Dialect, *, ended: bool) -> None:
        self.position = 0
        self.open_cell: OpenCell | None = None
        self._text = text
        self._ended = ended
        self._delimiter = dialect.delimiter
        self._match = cell_pattern(dialect).match
        self._plain = _unescaped(dialect)
        self._unquoted = _unquoted(dialect)

    def __iter__(self) -> Iterator[TextRecord]:
        while (record := self.next_record()) is not None:
            yield record

    def next_record(self) -> TextRecord | None:
        """Return the next record; None if there is no more of which the end is known."""
        text = self._text
        while self.position < len(text) and text[self.position] in BETWEEN_RECORDS:
            self.position += 1
        record = self._record() if self.position < len(text) else None
        if record is not None:
            self.position = record.end
        return record

    def resume(self, position: int) -> None:
        """Go on at another position, where a record or an empty line begins."""
        self.position = position
        self.open_cell = None

    def _record(self) -> TextRecord | None:
        text, end = self._text, self.position
        cells: list[str] = []
        problem, spans_lines = None, False
        self.open_cell = None
        while True:
            match = self._match(text, end)
            if match is None:  # cannot be: a cell may be empty
                raise AssertionError("a cell of CSV text matches nothing")
            quoted, closing, behind, plain = match.groups()
            if quoted is None:
                cells.append(self._plain(plain))
            elif not closing:
                self.open_cell = OpenCell(end, cells)
                return None
            else:
                cells.append(self._unquoted(quoted))
                problem = CLOSED_BADLY if behind else problem
                spans_lines = spans_lines or "\n" in quoted or "\r" in quoted
            end = match.end()
            if end == len(text):
                return TextRecord(cells, self.position, end, problem, spans_lines) if self._ended else None
            if text[end] != self._delimiter:
                return TextRecord(cells, self.position, end, problem, spans_lines)
            end += 1


@lru_cache(maxsize=64)
def cell_pattern(dialect: Dialect) -> re.Pattern[str]:
    """Return what matches a cell: the inside of a quoted one, its closing quote, what follows that; or a plain one."""
    delimiter, quote, escape = (re.escape(mark) for mark in (dialect.delimiter, dialect.quote, dialect.escape))
    escaped = rf"|{escape}[\s\S]?" if escape else ""
    plain = rf"((?:[^{delimiter}{escape}\r\n]++{escaped})*+)"
    if not quote:
        return re.compile(rf"(?:(?!)()()())?{plain}")
    return re.compile(rf"{quote}((?:[^{quote}{escape}]++|{quote}{quote}{escaped})*+)({quote}?){plain}|{plain}")


@lru_cache(maxsize=64)
def _unescaped(dialect: Dialect) -> Callable[[str], str]:
    """Return what makes a value of the text of a plain cell."""
    if not dialect.escape:
        return str
    literal = re.compile(_literal(dialect))
    return lambda text: literal.sub(r"\1", text) if dialect.escape in text else text


@lru_cache(maxsize=64)
def _unquoted(dialect: Dialect) -> Callable[[str], str]:
    """Return what makes a value of the inside of a quoted cell."""
    quote = dialect.quote
    if not dialect.escape:
        return lambda text: text.replace(quote + quote, quote)
    literal = re.compile(rf"{_literal(dialect)}|{re.escape(quote)}({re.escape(quote)})")
    return lambda text: literal.sub(lambda match: match[1] or match[2], text)


def _literal(dialect: Dialect) -> str:
    marks = re.escape(dialect.quote + dialect.escape + dialect.delimiter)
    return rf"{re.escape(dialect.escape)}([{marks}\r\n])"


def whole_records_end(data: bytes, quote: bytes) -> int:
    """Return the end of the last line break outside quotes, 0 if there is none.

    `data` begins with a record. Right if every quote opens or closes a cell or is doubled inside one; a quote that is
    not ASCII is none here.
    """
    if len(quote) != 1 or quote not in data:
        return data.rfind(b"\n") + 1 or data.rfind(b"\r") + 1
    quotes = len(data) - len(data.translate(None, quote))  # in half the time of `count`
    for line_break in (b"\n", b"\r"):
        stop = len(data)
        inside = quotes % 2 == 1
        while (end := data.rfind(line_break, 0, stop)) >= 0:
            inside ^= data.count(quote, end, stop) % 2 == 1
            if not inside:
                return end + 1
            stop = data.rfind(quote, 0, end)  # the cell that holds this line break opens here
            inside = False
    return 0
