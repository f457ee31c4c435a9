"""Some lines of NDJSON as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from msgspec import Struct, field

from engine.sources.even_blocks import spans_of
from engine.sources.json_text import text_of
from engine.sources.ndjson.acceleration import nth_newline
from engine.sources.ndjson.exact_lines import WHITESPACE, Invalid, LineReader, readable_id
from engine.sources.ndjson.route_texts import RouteTexts
from engine.values import Place, Refusal, Span


class LineRows(Struct):
    """So many records. `lines` are joined by newlines; `ids` None means that nobody has looked at them yet."""

    count: int
    ids: Sequence[str] | None
    lines: bytes
    spans: Sequence[Span]
    refusals: list[Refusal] = field(default_factory=list)
    filtered: Sequence[Span] = ()
    filtered_ids: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    id_numbers: bytes | None = None
    routed_by: list[str] | None = None

    def text(self, start: int, stop: int) -> bytes | memoryview:
        """Return the lines of some records, at least one. Nothing is copied."""
        if stop - start == self.count:
            return self.lines
        begin = nth_newline(self.lines, start) + 1
        end = len(self.lines) if stop == self.count else nth_newline(self.lines, stop)
        return memoryview(self.lines)[begin:end]


class IdReader(NamedTuple):
    """Reads what else is wanted of lines: the id in one that is no record, and what says which campaign each is for."""

    read: Callable[[bytes], str | None]
    """Returns it; None if it can't be read."""
    tells_filtered: bool = False
    """Whether the ids of lines that are left out are wanted, too."""
    routes: RouteTexts | None = None
    """Reads which campaign a line is for; None where there is only one."""


CANONICAL_IDS = IdReader(readable_id)


def exact_rows(
    lines: bytes, start: Place, read_line: LineReader, record_bytes_max: int, ids_of: IdReader = CANONICAL_IDS
) -> LineRows:
    """Read lines one by one; the first of them stands at `start`. `ids_of` reads the ids of those that are none."""
    ids: list[str] = []
    records: list[bytes] = []
    rows: list[int] = []
    refusals: list[Refusal] = []
    filtered: list[int] = []
    filtered_ids: list[str] = []
    routed_by: list[str] | None = [] if ids_of.routes else None
    for row, line in enumerate(lines.split(b"\n"), start.row):
        stripped = line.strip(WHITESPACE)
        if not stripped:
            continue
        if len(line) > record_bytes_max:
            refusals.append(overlong(line, Place(start.path, row), record_bytes_max))
            continue
        try:
            read = read_line(stripped)
        except Invalid as invalid:
            refusal = invalid.refusal(line, Place(start.path, row))
            refusal = refusal if refusal.id else replace(refusal, whose=ids_of.read(stripped))
            refusals.append(replace(refusal, routed_by=ids_of.routes.of_line(stripped)) if ids_of.routes else refusal)
            continue
        if read is None:
            filtered.append(row)
            filtered_ids += filter(None, [ids_of.read(stripped) if ids_of.tells_filtered else None])
            continue
        if ids_of.routes and routed_by is not None:
            routed_by.append(ids_of.routes.of_line(stripped) or "")
        ids.append(read[0])
        records.append(read[1])
        rows.append(row)
    spans, left_out = spans_of(start.path, rows), spans_of(start.path, filtered)
    text = b"\n".join(records)
    return LineRows(len(ids), ids, text, spans, refusals, left_out, filtered_ids, routed_by=routed_by)


def overlong(head: bytes, place: Place, record_bytes_max: int) -> Refusal:
    """Return the refusal of a line, of which `head` was read."""
    return Refusal(f"line is longer than {record_bytes_max:,} bytes", place, raw=text_of(head))
