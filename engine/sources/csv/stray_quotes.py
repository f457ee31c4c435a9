"""Quoted cells that are not to be believed: a stray quote opens a cell that swallows the rows behind it.

Of a record with a line break in a quoted cell, each line behind the first is looked at by itself. It *looks like a
row* if it has as many cells as the header, two at least, none of them closed badly or left open, and none but the
first begins with a space and a letter, as in prose (unless names in the header do). Then

- a whole line inside the record speaks against the cell if it looks like a row, and for it otherwise; empty lines
  say nothing;
- the last line, in which the cell is closed, speaks against it if it looks like a row and either its quotes are even
  in number (had it begun inside a cell, they would be odd), or the first line, too, has the header's number of cells
  if its open quote is taken as an ordinary character. Where the record has anything else wrong with it, it is enough
  that the last line looks like a row, with its quotes or without.

As soon as twenty more lines speak against than for it, or where it is closed or the text ends and more do, the cell is
refused: its first line alone is the row, and reading resumes with the next line. A cell that is left open in the last
line of all is refused in the same way if that line has its end, and all cells of the header; else the text was cut.

So what becomes of a record depends on its own text only, and never on how much of the file is in memory. The cost:
a cell with true line breaks is refused where most of its lines happen to have the header's number of cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from engine.sources.csv.text import LINE_END, Dialect, RecordReader, TextRecord

SWALLOWS_ROWS = "a quoted cell spans lines that look like rows; is a quote missing or not doubled?"
NEVER_CLOSED = "a quoted cell is never closed"

LEAD_ENOUGH = 20
"""So many more lines that look like rows than others need no further proof."""

_beyondLINE_ENDs = re.compile(r"[^\r\n]")
_begins_as_in_prose = re.compile(r" [^\W\d]").match


class RowReader:
    """Reads the rows of one piece of text, which begins with one; a cell that is not to be believed ends with its line.

    Args:
        text: The text.
        dialect: How it is written.
        header: The names of the columns.
        ended: Whether nothing follows the text.
    """

    def __init__(self, text: str, dialect: Dialect, header: Sequence[str], *, ended: bool) -> None:
        self._text = text
        self._ended = ended
        self._reader = RecordReader(text, dialect, ended=ended)
        self._judge = LineJudge(dialect, header)

    @property
    def position(self) -> int:
        """Where the next row begins, or the one whose end is not known."""
        return self._reader.position

    @property
    def in_quotes(self) -> bool:
        """Whether, when there are no more rows, the text ends inside a quoted cell."""
        return self._reader.open_cell is not None

    def __iter__(self) -> Iterator[TextRecord]:
        while (row := self._next_row()) is not None:
            yield row

    def _next_row(self) -> TextRecord | None:
        record = self._reader.next_record()
        if record is None:
            start = self._reader.position
            problem = self._problem_of_open_cell(start) if self.in_quotes else None
        else:
            start = record.start
            problem = SWALLOWS_ROWS if record.spans_lines and self._swallows(record) else None
        if problem is None:
            return record
        end = _line_stop(self._text, start)
        self._reader.resume(end)
        return TextRecord([], start, end, problem)

    def _swallows(self, record: TextRecord) -> bool:
        lines = LINE_END.split(self._text[record.start : record.end])
        lead = self._judge.lead(lines[1:-1])
        is_good = record.problem is None and len(record.cells) == self._judge.width
        return lead + self._judge.last_vote(lines[0], lines[-1], is_good=is_good) > 0

    def _problem_of_open_cell(self, start: int) -> str | None:
        """Return why a cell without its closing quote is not to be believed; None if nothing speaks against it yet."""
        stop = _line_stop(self._text, start)
        if not _beyondLINE_ENDs.search(self._text, stop):
            first = self._text[start:stop]
            is_whole = self._ended and stop < len(self._text) and self._judge.is_whole(first)
            return NEVER_CLOSED if is_whole else None
        lead = self._judge.lead(self._whole_lines_behind(stop))
        return SWALLOWS_ROWS if lead >= (1 if self._ended else LEAD_ENOUGH) else None

    def _whole_lines_behind(self, position: int) -> Iterator[str]:
        for match in LINE_END.finditer(self._text, position):
            if match.start() > position:
                yield self._text[position : match.start()]
            position = match.end()
        if self._ended:
            yield self._text[position:]


class LineJudge:
    """Tells lines that look like rows of a table from others."""

    def __init__(self, dialect: Dialect, header: Sequence[str]) -> None:
        self.width = len(header)
        self._dialect = dialect
        self._has_spaces = any(map(_begins_as_in_prose, header[1:]))

    def lead(self, lines: Iterable[str]) -> int:
        """Return how many more of the lines look like rows than others, `LEAD_ENOUGH` at most."""
        lead = 0
        for line in filter(None, lines):
            lead += 1 if self.looks_like_row(line) else -1
            if lead == LEAD_ENOUGH:
                break
        return lead

    def last_vote(self, first: str, last: str, *, is_good: bool) -> int:
        """Return 1 if the last line of a record speaks against its quotes, else 0.

        `first` is its first line, and `is_good` tells that nothing else is wrong with the record.
        """
        if not is_good:
            return int(self.looks_like_row(last) or self.looks_like_row(last, replace(self._dialect, quote="")))
        return int(self.looks_like_row(last) and (self._quotes_are_even(last) or self.is_whole(first)))

    def looks_like_row(self, line: str, dialect: Dialect | None = None) -> bool:
        """Return whether a line could be a row, taken by itself."""
        if self.width < 2 or line.count(self._dialect.delimiter) < self.width - 1:
            return False
        record = RecordReader(line, dialect or self._dialect, ended=True).next_record()
        if record is None or record.problem or len(record.cells) != self.width:
            return False
        return self._has_spaces or not any(map(_begins_as_in_prose, record.cells[1:]))

    def is_whole(self, line: str) -> bool:
        """Return whether a line with an open quoted cell has all cells if that quote is an ordinary character."""
        return cells_of_open_line(line, self._dialect) == self.width

    def _quotes_are_even(self, line: str) -> bool:
        if self._dialect.escape:
            line = re.sub(f"{re.escape(self._dialect.escape)}.", "", line)
        return line.count(self._dialect.quote) % 2 == 0


def cells_of_open_line(line: str, dialect: Dialect) -> int:
    """Return how many cells a line has if the quote of its open cell is an ordinary character; 0 if none is open."""
    reader = RecordReader(line, dialect, ended=True)
    if reader.next_record() is not None or reader.open_cell is None:
        return 0
    start, cells_before = reader.open_cell
    rest = RecordReader(line[start:], replace(dialect, quote=""), ended=True).next_record()
    return cells_before + (len(rest.cells) if rest else 0)


def _line_stop(text: str, start: int) -> int:
    match = LINE_END.search(text, start)
    return match.start() if match else len(text)
