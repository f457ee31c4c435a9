"""Lines read by the accelerator, as far as it goes: what it declines is read in Python, line by line.

So a line that needs a closer look slows down nobody but itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from engine.sources.even_blocks import ROWS_FROM, spans_of
from engine.sources.ndjson.acceleration import rows_apart
from engine.sources.ndjson.exact_lines import WHITESPACE, LineReader
from engine.sources.ndjson.route_texts import without
from engine.sources.ndjson.rows import CANONICAL_IDS, IdReader, LineRows, exact_rows
from engine.sources.stored.line_slices import LineSlice
from engine.values import Place, Refusal, RowSpans, Span, SpanList

Scan = Callable[[bytes, int, int], tuple[bytes, bytes, int, int, int, bytes]]
"""The method `scan` of a scanner, see `_scan.c`."""

NumbersOf = Callable[[Sequence[str]], bytes]
"""Makes the numbers of some ids."""


class ScannedLines(Struct, frozen=True):
    """Reads slices of lines: most of them by `scan`, those that it declines by `read_line`."""

    scan: Scan
    read_line: LineReader
    numbers_of: NumbersOf
    record_bytes_max: int
    ids_of: IdReader = CANONICAL_IDS

    def read(self, slice_: LineSlice, start: Place) -> tuple[LineRows, int]:
        """Read the lines of a slice, the first of which stands at `start`.

        Returns:
            Their records, and how many lines they are.
        """
        found = _Found(start)
        data, position, stop = slice_.data, slice_.start, slice_.stop
        while position <= stop:
            begin = position
            text, numbers, records, scanned, position, filtered = self.scan(data, position, stop)
            found.add_scanned(text, numbers, records, scanned, filtered)
            if filtered and self.ids_of.tells_filtered:
                found.add_filtered(data[begin : min(position, stop)].split(b"\n"), filtered, self.ids_of)
            if scanned and self.ids_of.routes:
                texts = self.ids_of.routes.of_lines(data[begin : min(position - 1, stop)], scanned)
                found.routed_by += without(texts, array("I", filtered))
            if position <= stop:
                end = data.find(b"\n", position, stop)
                end = stop if end < 0 else end
                line = data[position:end].removesuffix(b"\r")
                rows = exact_rows(line, found.place, self.read_line, self.record_bytes_max, self.ids_of)
                found.add(rows, self.numbers_of(rows.ids or ()))
                position = end + 1
        return found.rows(is_routed=self.ids_of.routes is not None), found.place.row - start.row


class _Found(Struct):
    """What was found so far; `place` is that of the next line."""

    place: Place
    count: int = 0
    texts: list[bytes] = field(default_factory=list)
    numbers: list[bytes] = field(default_factory=list)
    spans: SpanList = field(default_factory=SpanList)
    refusals: list[Refusal] = field(default_factory=list)
    filtered: SpanList = field(default_factory=SpanList)
    filtered_ids: list[str] = field(default_factory=list)
    routed_by: list[str] = field(default_factory=list)

    def add_filtered(self, lines: list[bytes], filtered: bytes, ids_of: IdReader) -> None:
        """Take the ids of lines that were left out, given by their indexes."""
        ids = [ids_of.read(lines[index].strip(WHITESPACE)) for index in array("I", filtered)]
        self.filtered_ids += filter(None, ids)

    def add_scanned(self, text: bytes, numbers: bytes, records: int, scanned: int, filtered: bytes) -> None:
        """Take what was scanned at once."""
        path, row = self.place
        if records:
            self.count += records
            self.texts.append(text)
            self.numbers.append(numbers)
        if filtered:
            kept, left_out = _kept_and_left_out(path, row, scanned, filtered)
            self.filtered.extend(left_out)
            self.spans.extend(kept)
        elif records:
            self.spans.extend([Span(path, row, records)])
        self.place = Place(path, row + scanned)

    def add(self, rows: LineRows, numbers: bytes) -> None:
        """Take what was read of one line."""
        if rows.count:
            self.count += rows.count
            self.texts.append(rows.lines)
            self.numbers.append(numbers)
        self.spans.extend(rows.spans)
        self.refusals += rows.refusals
        self.filtered.extend(rows.filtered)
        self.filtered_ids += rows.filtered_ids
        self.routed_by += rows.routed_by or ()
        self.place = Place(self.place.path, self.place.row + 1)

    def rows(self, *, is_routed: bool) -> LineRows:
        """Return all of it. The ids are left in the lines."""
        return LineRows(
            count=self.count,
            ids=None,
            lines=b"\n".join(self.texts),
            spans=self.spans.in_one_form,
            refusals=self.refusals,
            filtered=self.filtered,
            filtered_ids=self.filtered_ids,
            id_numbers=b"".join(self.numbers),
            routed_by=self.routed_by if is_routed else None,
        )


def _kept_and_left_out(path: str, start: int, count: int, left_out: bytes) -> tuple[Sequence[Span], Sequence[Span]]:
    """Return the places of `count` lines from row `start` on, and apart of those that are left out.

    `left_out` has how far these are from `start`, ascending, as 32-bit numbers.
    """
    which = array("I", left_out)
    if min(len(which), count - len(which)) * ROWS_FROM > count:  # else there are few spans, however long they are
        kept, gone = rows_apart(start, count, left_out)
        return RowSpans([(path, kept)]), RowSpans([(path, gone)])
    gone_rows = [start + distance for distance in which]
    spans, before = [], start
    for row in gone_rows:
        if row > before:
            spans.append(Span(path, before, row - before))
        before = row + 1
    if before < start + count:
        spans.append(Span(path, before, start + count - before))
    return spans, spans_of(path, gone_rows)
