"""Rows read one by one, with everything that may be wrong with one."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.sources.csv.header import Header
from engine.sources.csv.not_records import (
    FOOTER,
    FOOTER_BYTES_MAX,
    HEADER_AGAIN,
    UNITS,
    footer_start,
    is_header_again,
    is_other_header,
    is_units,
)
from engine.sources.csv.stray_quotes import RowReader
from engine.sources.csv.text import BETWEEN_RECORDS, RecordReader, TextRecord
from engine.sources.json_text import text_of
from engine.sources.stored.inputs import InputFile
from engine.values import Place, Refusal, SourceUntrusted

_MAY_BE_ESCAPED = '; if the backslash before a quote escapes it, set source.escape = "\\\\"'


_UNITS_BYTES_MAX = 1 << 16
"""A line of units is not longer."""


@dataclass(slots=True)
class ExactRows:
    """What a piece of text came to.

    `used` is how many of its bytes were read, `open_in_quotes` whether they end before a quoted cell that is never
    closed. `damage` is why nothing behind them can be trusted.
    """

    records: list[TextRecord] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    used: int = 0
    open_in_quotes: bool = False
    damage: SourceUntrusted | None = None


class ExactReader:
    """Reads the rows of one file, piece by piece, in order.

    `is_below_header` says that the next row stands directly below a header.

    Args:
        file: The file.
        header: The names of its columns, and how it is written.
        id_index: The position of the id's column.
    """

    def __init__(self, file: InputFile, header: Header, id_index: int) -> None:
        self.is_below_header = True
        self._file = file
        self._header = header
        self._id_index = id_index

    def read(self, data: bytes, first_row: int, *, ended: bool) -> ExactRows:
        """Read the whole rows that `data` begins with, the first of which is number `first_row`.

        `ended` says that nothing follows `data`.
        """
        text = data.decode(errors="surrogateescape")
        is_utf8 = _is_utf8(text)
        reader = RowReader(text, self._header.dialect, self._header.names, ended=ended)
        found = ExactRows()
        for row, record in enumerate(reader, first_row):
            if is_other_header(record.cells, self._header.names, self._id_index):
                found.damage = SourceUntrusted(
                    f"{self._file.name}: the columns change at data row {row}, where another header stands; the rows "
                    "before it were read, and nothing after it can be trusted"
                )
                break
            raw = text[record.start : record.end]
            problem = self._problem(record, raw, is_utf8=is_utf8)
            if problem is None:
                found.records.append(record)
                found.rows.append(row)
            else:
                found.refusals.append(self._refusal(problem, row, raw))
            self.is_below_header = problem == HEADER_AGAIN
            if self.is_below_header:
                self._take_back_footer(found, text, record.start)
        position = record.start if found.damage else reader.position
        found.used = len(text[:position].encode(errors="surrogateescape"))
        found.open_in_quotes = reader.in_quotes
        return found

    def read_footer(self, data: bytes, first_row: int) -> ExactRows:
        """Refuse the lines of a footer, the first of which is row number `first_row`."""
        text = data.decode(errors="surrogateescape")
        reader = RowReader(text, self._header.dialect, self._header.names, ended=True)
        lines = [text[record.start : record.end] for record in reader]
        refusals = [self._refusal(FOOTER, number, line) for number, line in enumerate(lines, first_row)]
        return ExactRows(refusals=refusals, used=len(data))

    def begins_with_units(self, data: bytes) -> bool:
        """Return whether the first row of `data` is a line of units."""
        line = data.lstrip(b"\r\n")[:_UNITS_BYTES_MAX].splitlines()[:1]
        reader = RecordReader(b"".join(line).decode(errors="replace"), self._header.dialect, ended=True)
        return any(is_units(record.cells) for record in reader)

    def _problem(self, record: TextRecord, raw: str, *, is_utf8: bool) -> str | None:
        """Return why a row is no record, None if it is one."""
        header = self._header
        if not is_utf8 and not _is_utf8(raw):
            return "not valid UTF-8"
        if record.problem:
            is_escaped = not header.dialect.escape and f"\\{header.dialect.quote}" in raw
            return record.problem + _MAY_BE_ESCAPED * is_escaped
        if is_header_again(record.cells, header.names):
            return HEADER_AGAIN
        if self.is_below_header and is_units(record.cells):
            return UNITS
        if len(record.cells) != len(header.names):
            return f"the row has {'more' if len(record.cells) > len(header.names) else 'fewer'} cells than the header"
        for index in header.to_be_empty:
            if record.cells[index]:
                return f"column {index + 1} has a value, but no name"
        return None

    def _take_back_footer(self, found: ExactRows, text: str, end: int) -> None:
        """Refuse the rows of the footer that `text[:end]`, what stands above a header again, ends with."""
        first = max(0, end - FOOTER_BYTES_MAX)
        data = text[first:end].rstrip(BETWEEN_RECORDS).encode(errors="surrogateescape")
        footer = footer_start(data, len(data), self._header.dialect, len(self._header.names), self._id_index)
        start = first + len(data[:footer].decode(errors="surrogateescape"))
        while found.records and found.records[-1].start >= start:
            record, row = found.records.pop(), found.rows.pop()
            found.refusals.append(self._refusal(FOOTER, row, text[record.start : record.end]))

    def _refusal(self, reason: str, row: int, raw: str) -> Refusal:
        shown = text_of(raw.encode(errors="surrogateescape"))
        is_no_record = reason in (HEADER_AGAIN, UNITS, FOOTER)
        return Refusal(reason, Place(self._file.path, row), raw=shown, is_no_record=is_no_record)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
