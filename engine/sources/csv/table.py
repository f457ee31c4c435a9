"""The rows of a CSV file as columns of text: natively where that is safe, exactly everywhere else.

The file is read some megabytes at a time. A piece whose records all are regular goes through a native reader; a piece
with anything unusual (ragged rows, stray quotes, line breaks in cells, escapes, a header again, bytes that are not
UTF-8) is read by `text.py`, `stray_quotes.py` and `not_records.py`, which say what CSV means here.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

import pyarrow as pa

from engine.sources.columns.rows import overlong
from engine.sources.csv.exact_rows import ExactReader, ExactRows
from engine.sources.csv.header import Header
from engine.sources.csv.native import NativeReader
from engine.sources.csv.not_records import footer_start
from engine.sources.csv.pieces import CsvText, pass_over_record
from engine.sources.csv.text import whole_records_end
from engine.sources.json_text import text_of
from engine.sources.stored.inputs import InputFile
from engine.values import Place, Refusal, SourceUntrusted

PIECE_BYTES = 1 << 20
"""How much is read at once: large enough that the cost of a call does not matter, small enough to keep memory flat."""


class TextRows(NamedTuple):
    """Some rows of a file.

    `columns` are the wanted ones, in which an empty cell is null; `rows` are the numbers of their rows, ascending.
    `refusals` are the other rows. `stored_bytes` is how much of the file, as stored, takes what came up to them.
    """

    columns: list[pa.StringArray]
    rows: Sequence[int]
    refusals: list[Refusal]
    stored_bytes: int


class CsvTable:
    """What follows the header of one file.

    Args:
        file: The file.
        text: Its bytes, behind the header.
        header: The names of its columns, and how it is written.
        wanted: The positions of the columns to return, ascending.
        id_index: The position of the id's column; beyond all columns if the file itself has none.
        record_bytes_max: A record that takes more text is refused, unless it happens to fit.
    """

    def __init__(
        self,
        file: InputFile,
        text: CsvText,
        header: Header,
        wanted: Sequence[int],
        id_index: int,
        record_bytes_max: int,
    ) -> None:
        self._file = file
        self._text = text
        self._header = header
        self._wanted = wanted
        self._id_index = id_index
        self._record_bytes_max = record_bytes_max
        self._row = 1
        self._open_in_quotes = False
        self._native = NativeReader(header, wanted, id_index)
        self._exact = ExactReader(file, header, id_index)

    def rows(self) -> Generator[TextRows]:
        """Yield all rows, piece by piece.

        Raises:
            SourceUntrusted: the file is damaged, its columns change, or it ends inside a quoted cell; all whole
                records before were yielded.
        """
        text, size = self._text, PIECE_BYTES
        while True:
            text.skip_line_ends()
            text.fill(size)
            data = text.data[:size]
            is_all = len(data) == len(text.data) and not text.has_more
            if not data:
                break
            rows, used = self._read(data, ended=is_all and text.ended)
            if used:
                text.drop(used)
                # Behind the last row may be empty lines, which are its own.
                yield rows._replace(stored_bytes=text.stored_bytes_read if is_all else text.stored_bytes)
                size = PIECE_BYTES
            elif is_all:
                break
            elif len(data) > self._record_bytes_max:
                yield self._pass_over_record()
            else:
                size = 2 * len(data)
        if text.damage:
            raise text.damage
        if self._open_in_quotes:
            raise SourceUntrusted(
                f"{self._file.name}: a quoted cell that begins in data row {self._row} is never closed; the rows "
                "before it were read, and nothing after it can be trusted"
            )

    def _read(self, data: bytes, *, ended: bool) -> tuple[TextRows, int]:
        """Read the whole rows that `data` begins with; return how many bytes they took, 0 if there is none.

        A footer is left for the next time: then more of the text shows whether it is one.
        """
        self._open_in_quotes = False
        end = len(data) if ended else whole_records_end(data, self._header.dialect.quote.encode())
        footer = self._footer_start(data, end)
        if footer == end:
            return self._read_rows(data, end, ended=ended)
        if footer:
            return self._read_rows(data[:footer], footer, ended=ended)
        return self._take(self._exact.read_footer(data, self._row) if ended else ExactRows())

    def _read_rows(self, data: bytes, end: int, *, ended: bool) -> tuple[TextRows, int]:
        is_below_header = self._exact.is_below_header
        is_unusual = is_below_header and self._exact.begins_with_units(data)
        columns = None if is_unusual else self._native.read(data, end)
        if columns is None:
            found = self._exact.read(data, self._row, ended=ended)
            footer = found.used if ended or found.damage else self._footer_start(data, found.used)
            if footer < found.used:  # `end` had missed it, because quotes are irregular
                self._exact.is_below_header = is_below_header
                found = self._exact.read(data[:footer], self._row, ended=False)
            return self._take(found)
        rows = range(self._row, self._row + len(columns[0]))
        self._row += len(rows)
        self._exact.is_below_header &= not rows
        return TextRows(columns, rows, [], self._text.stored_bytes), end

    def _footer_start(self, data: bytes, end: int) -> int:
        return footer_start(data, end, self._header.dialect, len(self._header.names), self._id_index)

    def _take(self, found: ExactRows) -> tuple[TextRows, int]:
        self._row += len(found.rows) + len(found.refusals)
        self._open_in_quotes = found.open_in_quotes
        if found.damage:
            self._text.end_with(found.damage, found.used)
        cells = [record.cells for record in found.records]
        columns = [pa.array([row[index] or None for row in cells], pa.string()) for index in self._wanted]
        return TextRows(columns, found.rows, found.refusals, self._text.stored_bytes), found.used

    def _pass_over_record(self) -> TextRows:
        """Read on to the end of a record that does not fit into memory, and keep only its head."""
        head = text_of(self._text.data)
        self._open_in_quotes = not pass_over_record(self._text, self._header.dialect, PIECE_BYTES)
        if self._open_in_quotes:  # the end of the file has come too early
            return self._no_rows([])
        self._row += 1
        return self._no_rows(
            [Refusal(overlong(self._record_bytes_max), Place(self._file.path, self._row - 1), raw=head)]
        )

    def _no_rows(self, refusals: list[Refusal]) -> TextRows:
        nothing = [pa.array([], pa.string())] * len(self._wanted)
        return TextRows(nothing, [], refusals, self._text.stored_bytes)
