"""CSV text record by record, exact and not hurried: the meaning of CSV sources.

A cell that begins with a quote goes on to the closing quote, over delimiters and line breaks; a doubled quote inside
means one. Anywhere else a quote is an ordinary character. Nothing is trimmed. A record ends at a line feed, a carriage
return or both; empty lines are skipped. The fast path in `table.py` only proves that it would say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.sources.formats import DELIMITERS

CLOSED_BADLY = "text follows the closing quote of a cell"

_CELL = r'"((?:[^"]++|"")*+)("?)([^{0}\r\n]*+)|([^{0}\r\n]*+)'


class TextRecord(NamedTuple):
    """A record of CSV text: its cells, where it stands in the text, and what is wrong with it, if anything is."""

    cells: list[str]
    start: int
    end: int
    problem: str | None


class RecordReader:
    """Reads the records of one piece of text, which begins with a record.

    `position` is behind the last whole record read; `in_quotes` tells, when there are no more, that what follows is a
    cell whose closing quote is missing. `ended` says that nothing follows the text, so that its last record is whole.
    """

    def __init__(self, text: str, delimiter: str, *, ended: bool) -> None:
        self.position = 0
        self.in_quotes = False
        self._text = text
        self._ended = ended
        self._delimiter = delimiter
        self._match = re.compile(_CELL.format(re.escape(delimiter))).match

    def __iter__(self) -> Iterator[TextRecord]:
        text = self._text
        while self.position < len(text):
            if text[self.position] in "\r\n":
                self.position += 1
                continue
            record = self._record()
            if record is None:
                return
            self.position = record.end
            yield record

    def _record(self) -> TextRecord | None:
        """Read the record at `position`; None if the text ends before it does."""
        text, end = self._text, self.position
        cells: list[str] = []
        problem = None
        while True:
            match = self._match(text, end)
            if match is None:  # cannot be: a cell may be empty
                raise AssertionError("a cell of CSV text matches nothing")
            quoted, closing, behind, plain = match.groups()
            end = match.end()
            if quoted is None:
                cells.append(plain)
            elif not closing:
                self.in_quotes = True
                return None
            else:
                cells.append(quoted.replace('""', '"'))
                problem = CLOSED_BADLY if behind else problem
            if end == len(text):
                return TextRecord(cells, self.position, end, problem) if self._ended else None
            if text[end] != self._delimiter:
                return TextRecord(cells, self.position, end, problem)
            end += 1


def whole_records_end(data: bytes) -> int:
    """Return the end of the last line break outside quotes, 0 if there is none.

    `data` begins with a record. Right if every quote opens or closes a cell or is doubled inside one.
    """
    for line_break in (b"\n", b"\r"):
        stop = len(data)
        inside = data.count(b'"') % 2 == 1
        while (end := data.rfind(line_break, 0, stop)) >= 0:
            inside ^= data.count(b'"', end, stop) % 2 == 1
            if not inside:
                return end + 1
            stop = data.rfind(b'"', 0, end)  # the cell that holds this line break opens here
            inside = False
    return 0


def find_delimiter(header: str, expected: str) -> str:
    """Return the delimiter of a header: the expected one unless only another makes several columns of it."""
    columns = {mark: len(_first_cells(header, mark)) for mark in (expected, *DELIMITERS)}
    return max(columns, key=lambda mark: columns[mark]) if columns[expected] == 1 else expected


def _first_cells(text: str, delimiter: str) -> list[str]:
    return next((record.cells for record in RecordReader(text, delimiter, ended=True)), [])
