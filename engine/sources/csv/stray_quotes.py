"""Quoted cells that are not to be believed: a stray quote opens a cell that swallows the rows behind it.

Of a record with a line break in a quoted cell, each line behind the first is looked at by itself. It *looks like a
row* if it has as many cells as the header, two at least, none of them closed badly or left open, and nothing shows that
it is prose: no cell but the first begins with a space and a letter (unless names in the header do), and the first one
has a digit if that of the record has, and then no space unless that one has, too. Then

- a whole line inside the record speaks against the cell if it looks like a row, and for it otherwise; empty lines
  say nothing;
- the last line, in which the cell is closed, speaks against it if it looks like a row and either its quotes are even
  in number (had it begun inside a cell, they would be odd), or the first line, too, has the header's number of cells
  if its open quote is taken as an ordinary character.

Where the record has anything else wrong with it, it is refused anyway: then one line behind its first that looks like
a row is enough (the last one with its quotes or without). The header again always looks like a row.

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

from engine.sources.csv.text import LINE_END, Dialect, OpenCell, RecordReader, TextRecord

SWALLOWS_ROWS = "a quoted cell spans lines that look like rows; is a quote missing or not doubled?"
NEVER_CLOSED = "a quoted cell is never closed"

LEAD_ENOUGH = 20
"""So many more lines that look like rows than others need no further proof."""

LOOKED_AT_MAX = 10_000
"""Of a record that is refused anyway, no more lines are looked at."""

_beyond_line_ends = re.compile(r"[^\r\n]")
_digit = re.compile(r"\d")
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
        self._dialect = dialect
        self._header = header
        self._width = len(header)
        self._has_spaces = any(map(_begins_as_in_prose, header[1:]))

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
        first, *inner, last = LINE_END.split(self._text[record.start : record.end])
        judge = self._judge(first)
        if record.problem or len(record.cells) != self._width:
            return judge.finds_a_row(inner, last)
        return judge.lead(inner) + judge.last_vote(last) > 0

    def _problem_of_open_cell(self, start: int) -> str | None:
        """Return why a cell without its closing quote is not to be believed; None if nothing speaks against it yet."""
        stop = _line_stop(self._text, start)
        judge = self._judge(self._text[start:stop])
        if not _beyond_line_ends.search(self._text, stop):
            return NEVER_CLOSED if self._ended and stop < len(self._text) and judge.first_is_whole else None
        lead = judge.lead(self._whole_lines_behind(stop))
        return SWALLOWS_ROWS if lead >= (1 if self._ended else LEAD_ENOUGH) else None

    def _judge(self, first: str) -> LineJudge:
        return LineJudge(self._dialect, self._width, first, has_spaces=self._has_spaces, header=self._header)

    def _whole_lines_behind(self, position: int) -> Iterator[str]:
        for match in LINE_END.finditer(self._text, position):
            if match.start() > position:
                yield self._text[position : match.start()]
            position = match.end()
        if self._ended:
            yield self._text[position:]


class LineJudge:
    """Tells whether the lines behind the first one of a record look like rows.

    Args:
        dialect: How they are written.
        width: How many cells a row has; None for as many as the first line has.
        first: The first line, in which a quoted cell is open at the end.
        has_spaces: Whether cells may begin as words in prose do.
        header: The names of the columns, if they are known.
    """

    def __init__(
        self,
        dialect: Dialect,
        width: int | None,
        first: str,
        *,
        has_spaces: bool = False,
        header: Sequence[str] = (),
    ) -> None:
        self._header = list(header)
        self._dialect = dialect
        self._without_quotes = replace(dialect, quote="")
        start, before = _open_cell(first, dialect)
        rest = RecordReader(first[start:], self._without_quotes, ended=True).next_record()
        cells = len(before) + (len(rest.cells) if rest else 0)
        self._width = cells if width is None else width
        self.first_is_whole = cells == self._width
        """Whether the first line has all cells if the open quote is an ordinary character."""
        self._has_spaces = has_spaces
        self._begins_with_digits = bool(before and _digit.search(before[0]))
        self._begins_with_word = self._begins_with_digits and " " not in before[0].strip()

    def lead(self, lines: Iterable[str]) -> int:
        """Return how many more of the lines look like rows than others, `LEAD_ENOUGH` at most."""
        lead = 0
        for line in filter(None, lines):
            lead += 1 if self._looks_like_row(line, self._dialect) else -1
            if lead == LEAD_ENOUGH:
                break
        return lead

    def last_vote(self, last: str) -> int:
        """Return 1 if the last line of the record speaks against its quotes, else 0."""
        speaks = self.first_is_whole or self._quotes_are_even(last)
        return int(speaks and self._looks_like_row(last, self._dialect))

    def finds_a_row(self, inner: Sequence[str], last: str) -> bool:
        """Return whether any line behind the first looks like a row; the last one may do so without its quotes."""
        if any(self._looks_like_row(line, self._dialect) for line in (*inner[:LOOKED_AT_MAX], last)):
            return True
        return self._looks_like_row(last, self._without_quotes)

    def _looks_like_row(self, line: str, dialect: Dialect) -> bool:
        if self._width < 2 or line.count(dialect.delimiter) < self._width - 1:
            return False
        record = RecordReader(line, dialect, ended=True).next_record()
        if record is None or record.problem or len(record.cells) != self._width:
            return False
        if record.cells == self._header:
            return True
        begin = record.cells[0]
        if (self._begins_with_digits and not _digit.search(begin)) or (self._begins_with_word and " " in begin.strip()):
            return False
        return self._has_spaces or not any(map(_begins_as_in_prose, record.cells[1:]))

    def _quotes_are_even(self, line: str) -> bool:
        if self._dialect.escape:
            line = re.sub(f"{re.escape(self._dialect.escape)}.", "", line)
        return line.count(self._dialect.quote) % 2 == 0


def _open_cell(line: str, dialect: Dialect) -> OpenCell:
    reader = RecordReader(line, dialect, ended=True)
    reader.next_record()
    return reader.open_cell or OpenCell(0, [])


def _line_stop(text: str, start: int) -> int:
    match = LINE_END.search(text, start)
    return match.start() if match else len(text)
