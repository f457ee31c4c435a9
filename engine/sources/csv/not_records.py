"""Rows of a CSV file that are no records: the header again, a line of units below it, a footer.

**The header again**, as where files were put together: all cells are the names of the columns, perhaps in other case or
with spaces around them. A row that has the name of a column in place of the id, and in some cells that of the id
and more than half of all, is another header: behind it values would land in wrong fields.

**A line of units or types** directly below a header: each cell that is not empty is one, or a dash line.

**A footer**: its id is words of a sum as in "Total", "Grand total: 45" or "(123 rows affected)", but neither built as
an id ("END0001") nor that of a row which has all cells and a name in one of them ("Count,Vlad,5"); or its id is empty,
and its other cells are numbers or such words; or all are dash lines. It is one among the last twenty lines of a file,
or above a header again, if nothing but such lines follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from engine.sources.csv.text import LINE_END, Dialect, RecordReader

AROUND_NAMES = " \t"

HEADER_AGAIN = "the header again, not a record"
UNITS = "a line of units below the header, not a record"
FOOTER = "a footer (total), not a record"

FOOTER_LINES_MAX = 20
FOOTER_BYTES_MAX = 1 << 16
"""A footer is not longer."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SUMS = _words(
    """
    total totals subtotal subtotals sum sums summe summen gesamt gesamtsumme zwischensumme endsumme anzahl count
    counts average records rows lines entries affected selected eof trailer end
    """
)
"""Words that make a footer."""

_BESIDE_SUMS = _words(
    """
    grand sub net overall final page report of file list data export no number record row line amount loans
    leads accounts customers contacts and exported returned fetched in set sec
    """
)
"""Words that stand beside them."""

_UNITS = _words(
    """
    % ₹ $ € £ # rs rs. inr usd eur gbp aed rupee rupees lakh lakhs lac lacs cr crore crores percent p.a. day days
    month months year years yrs no nos no. nos. text string str char varchar varchar2 nvarchar integer int bigint
    smallint number numeric decimal float double boolean bool y/n yes/no date datetime timestamp time json yyyymmdd
    ddmmyyyy dd-mmm-yyyy dd-mmm-yy dd/mmm/yyyy dd-mon-yyyy
    """
)

_is_date_form = re.compile(r"[ymdhs]{1,4}(?:[-/.:t ][ymdhs]{1,4}){1,5}").fullmatch
_is_dash_line = re.compile(r"[-=_*]{2,}").fullmatch
_is_built_as_id = re.compile(r"[^\W\d_]+[-_/#]?\d+").fullmatch
_has_digit = re.compile(r"\d").search
_is_number = re.compile(r"[-+(]?\s*(?:rs\.?|inr|[₹$€£])?\s*-?\d[\d.,' ]*\s*[-)%]?", re.IGNORECASE).fullmatch
_words_and_numbers = re.compile(r"[^\W\d_]+|\d[\d.,']*")
_behind_type = re.compile(r"\s*\(\d+(?:\s*,\s*\d+)?\)$")


def is_header_again(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Return whether the cells of a row are the names of the columns."""
    if len(cells) != len(header):
        return False
    return all(folded(LINE_END.sub("\n", cell)) == folded(name) for cell, name in zip(cells, header, strict=True))


def is_other_header(cells: Sequence[str], header: Sequence[str], id_index: int) -> bool:
    """Return whether a row is the header of a table with other columns."""
    names = _folded_names(tuple(header))
    if id_index >= len(cells) or folded(cells[id_index]) not in names or is_header_again(cells, header):
        return False
    found = set(map(folded, names_of(cells)))
    return folded(header[id_index]) in found and 2 * len(names & found) > len(names)


@lru_cache(maxsize=64)
def _folded_names(header: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(folded, header))


def folded(name: str) -> str:
    """Return a name as it is compared: it may come again in other case, and with spaces around it."""
    return name.strip(AROUND_NAMES).lower()


def names_of(cells: Sequence[str]) -> list[str]:
    """Return the cells of a header as names: whatever a line break in one is, it counts as a line feed."""
    return [LINE_END.sub("\n", cell) for cell in cells]


def is_units(cells: Sequence[str]) -> bool:
    """Return whether the row below a header says how its columns are measured or typed."""
    filled = [cell.strip().lower() for cell in cells if cell.strip()]
    return bool(filled) and all(map(_is_unit, filled))


def is_footer(cells: Sequence[str], id_index: int) -> bool:
    """Return whether a row sums up those before it."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    id_ = cells[id_index].strip() if id_index < len(cells) else ""
    if not filled or all(map(_is_dash_line, filled)):
        return bool(filled)
    if not id_:
        return all(_is_number(cell) or _is_sum(cell) for cell in filled)
    return _is_sum(id_) and (len(filled) < len(cells) or not any(map(_is_name, filled)))


def footer_start(data: bytes, end: int, dialect: Dialect, width: int, id_index: int) -> int:
    """Return where the footer begins that `data[:end]`, whole rows, ends with; `end` if there is none.

    Lines between its own and behind them are part of it as long as they are no records of `width` cells, or have a
    value in one of them at most.
    """
    tail = data[max(0, end - FOOTER_BYTES_MAX) : end]
    start = stop = len(tail)
    for _ in range(FOOTER_LINES_MAX):
        stop = len(tail[:stop].rstrip(b"\r\n"))
        line_start = max(tail.rfind(b"\n", 0, stop), tail.rfind(b"\r", 0, stop)) + 1
        if not line_start and len(tail) < end:
            break
        line = tail[line_start:stop].decode(errors="replace")
        record = RecordReader(line, dialect, ended=True).next_record()
        if record is None:
            break
        if not record.problem and is_footer(record.cells, id_index):
            start = line_start
        elif not record.problem and len(record.cells) == width and sum(bool(cell.strip()) for cell in record.cells) > 1:
            break
        stop = line_start
    return end - len(tail) + start


def _is_unit(cell: str) -> bool:
    word = _behind_type.sub("", cell).strip("()[]")
    return word in _UNITS or bool(_is_date_form(word) or _is_dash_line(cell))


def _is_name(cell: str) -> bool:
    """Return whether a cell beside a sum is neither one, nor has it a number or a unit."""
    return not (_has_digit(cell) or _is_sum(cell) or _is_unit(cell.lower()))


def _is_sum(cell: str) -> bool:
    if _is_built_as_id(cell):
        return False
    words = {word.lower() for word in _words_and_numbers.findall(cell) if not word[0].isdigit()}
    return not _SUMS.isdisjoint(words) and words <= _SUMS | _BESIDE_SUMS
