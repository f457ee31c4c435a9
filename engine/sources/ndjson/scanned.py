"""Lines read by the accelerator, as far as it goes: what it declines is read in Python, line by line.

So a line that needs a closer look slows down nobody but itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from engine.sources.even_blocks import spans_of
from engine.sources.ndjson.exact_lines import LineReader
from engine.sources.ndjson.rows import LineRows, exact_rows
from engine.values import Place, Refusal, Span

Scan = Callable[[bytes, int], tuple[bytes, int, int, int, bytes]]
"""The method `scan` of a scanner, see `_scan.c`."""


def scanned_rows(
    lines: bytes, start: Place, scan: Scan, read_line: LineReader, record_bytes_max: int
) -> tuple[LineRows, int]:
    """Read lines, which are joined by newlines; the first of them stands at `start`.

    Returns:
        Their records, and how many lines they are.
    """
    found = _Found(start)
    position = 0
    while position <= len(lines):
        text, records, scanned, position, filtered = scan(lines, position)
        found.add_scanned(text, records, scanned, filtered)
        if position <= len(lines):
            end = lines.find(b"\n", position)
            end = len(lines) if end < 0 else end
            line = lines[position:end].removesuffix(b"\r")
            found.add(exact_rows(line, found.place, read_line, record_bytes_max))
            position = end + 1
    return found.rows(), found.place.row - start.row


@dataclass(slots=True)
class _Found:
    """What was found so far; `place` is that of the next line."""

    place: Place
    count: int = 0
    texts: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    filtered: list[Span] = field(default_factory=list)

    def add_scanned(self, text: bytes, records: int, scanned: int, filtered: bytes) -> None:
        """Take what was scanned at once."""
        path, row = self.place
        if records:
            self.count += records
            self.texts.append(text)
        if filtered:
            left_out = spans_of(path, [row + index for index in array("I", filtered)])
            self.filtered += left_out
            self.spans += _between(left_out, path, row, row + scanned)
        elif records:
            self.spans.append(Span(path, row, records))
        self.place = Place(path, row + scanned)

    def add(self, rows: LineRows) -> None:
        """Take what was read of one line."""
        if rows.count:
            self.count += rows.count
            self.texts.append(rows.lines)
        self.spans += rows.spans
        self.refusals += rows.refusals
        self.filtered += rows.filtered
        self.place = Place(self.place.path, self.place.row + 1)

    def rows(self) -> LineRows:
        """Return all of it. The ids are left in the lines."""
        lines = b"\n".join(self.texts)
        return LineRows(self.count, None, lines, self.spans, self.refusals, self.filtered)


def _between(left_out: list[Span], path: str, start: int, stop: int) -> Iterator[Span]:
    """Yield the rows from `start` on and before `stop` that are not among those left out."""
    for span in left_out:
        if span.first_row > start:
            yield Span(path, start, span.first_row - start)
        start = span.first_row + span.count
    if start < stop:
        yield Span(path, start, stop - start)
