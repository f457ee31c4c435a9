"""NDJSON sources: canonical `{"id", "data"}` lines sent as they are, or flat lines mapped to that form.

Lines are read some hundreds at a time. Most slices go a fast path (`fast_lines.py`, `flat.py`) that reads them at once;
whatever it doubts is read line by line, as `exact_lines.py` and `flat.py` say.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from engine.sources.even_blocks import spans_of
from engine.sources.json_text import text_of
from engine.sources.ndjson.exact_lines import WHITESPACE, Invalid, LineReader, read_canonical
from engine.sources.ndjson.fast_lines import read_canonical_lines
from engine.sources.ndjson.flat import FlatLines
from engine.sources.spec import SourceSpec
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.line_slices import LineSlice, line_slices, nth_newline
from engine.values import Place, Refusal, Span

LOOKED_AT_BYTES = 1 << 12
"""How much of a file is looked at before any of them is read."""

SliceReader = Callable[[bytes, int], tuple[list[str], bytes] | None]
"""Takes so many lines, returns the records' ids and their canonical lines, joined; or None if it is not sure."""


def look(file: InputFile, spec: SourceSpec) -> None:
    """Make sure that a file is text in UTF-8, as far as its beginning tells; see `FormatReader`."""
    with file.open() as stream:
        next(line_slices(stream, name=file.name, line_bytes_max=LOOKED_AT_BYTES, read_bytes=LOOKED_AT_BYTES), None)


def read_rows(
    file: InputFile, spec: SourceSpec, record_bytes_max: int, seen: set[str]
) -> Generator[tuple[LineRows, int]]:
    """Yield the records of one NDJSON file, a slice of lines at a time; see `FormatReader`.

    A line that is no record becomes a refusal; blank lines count as rows and are nothing else.

    Raises:
        SourceMissing: the file has gone.
        SourceUntrusted: it can't be read or is damaged; everything good before was yielded.
    """
    read_lines: SliceReader
    read_line: LineReader
    if spec.id is None:
        read_lines, read_line = read_canonical_lines, read_canonical
    else:
        flat = FlatLines(spec, file.keys, seen)
        read_lines, read_line = flat.read_lines, flat.read_line
    row = 1
    with file.open() as stream:
        for slice_ in line_slices(stream, name=file.name, line_bytes_max=record_bytes_max):
            rows = _read(slice_, Place(file.path, row), read_lines, read_line, record_bytes_max)
            yield rows, stream.stored_bytes
            row += slice_.count


@dataclass(slots=True)
class LineRows:
    """Some lines as records. `lines` are joined by newlines."""

    ids: list[str]
    lines: bytes
    spans: list[Span]
    refusals: list[Refusal]
    filtered: list[Span] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self, start: int, stop: int) -> bytes:
        """Return the lines of some records, at least one."""
        begin = nth_newline(self.lines, start) + 1
        end = len(self.lines) if stop == len(self.ids) else nth_newline(self.lines, stop)
        return self.lines[begin:end]


def _read(
    slice_: LineSlice, start: Place, read_lines: SliceReader, read_line: LineReader, record_bytes_max: int
) -> LineRows:
    lines = slice_.lines
    if slice_.overlong:
        return LineRows([], b"", [], [_overlong(lines, start, record_bytes_max)])
    if b"\r" in lines:  # CRLF: no line ends inside a JSON value, so this alters none
        lines = lines.replace(b"\r\n", b"\n").removesuffix(b"\r")
    read = None if _any_overlong(lines, record_bytes_max) else read_lines(lines, slice_.count)
    if read:
        ids, records = read
        return LineRows(ids, records, [Span(start.path, start.row, slice_.count)], [])
    return exact_rows(lines, start, read_line, record_bytes_max)


def exact_rows(lines: bytes, start: Place, read_line: LineReader, record_bytes_max: int) -> LineRows:
    """Read lines one by one; the first of them stands at `start`."""
    ids: list[str] = []
    records: list[bytes] = []
    rows: list[int] = []
    refusals: list[Refusal] = []
    filtered: list[int] = []
    for row, line in enumerate(lines.split(b"\n"), start.row):
        stripped = line.strip(WHITESPACE)
        if not stripped:
            continue
        if len(line) > record_bytes_max:
            refusals.append(_overlong(line, Place(start.path, row), record_bytes_max))
            continue
        try:
            read = read_line(stripped)
        except Invalid as invalid:
            refusals.append(invalid.refusal(line, Place(start.path, row)))
            continue
        if read is None:
            filtered.append(row)
            continue
        ids.append(read[0])
        records.append(read[1])
        rows.append(row)
    spans, left_out = spans_of(start.path, rows), spans_of(start.path, filtered)
    return LineRows(ids, b"\n".join(records), spans, refusals, left_out)


def _any_overlong(lines: bytes, record_bytes_max: int) -> bool:
    return len(lines) > record_bytes_max and max(map(len, lines.split(b"\n"))) > record_bytes_max


def _overlong(head: bytes, place: Place, record_bytes_max: int) -> Refusal:
    return Refusal(f"line is longer than {record_bytes_max:,} bytes", place, raw=text_of(head))
