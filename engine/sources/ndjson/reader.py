"""NDJSON sources: canonical `{"id", "data"}` lines sent as they are, or flat lines mapped to that form.

Lines are read some hundreds or thousands at a time. With the accelerator (`scanned.py`) nearly all of them are scanned
in C, and single ones it declines are read as `exact_lines.py` and `flat.py` say. Without it, most slices go a fast path
(`fast_lines.py`, `flat.py`) that reads them at once; whatever it doubts is read line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from engine.sources.ndjson import acceleration
from engine.sources.ndjson.exact_lines import LineReader, read_canonical
from engine.sources.ndjson.fast_lines import read_canonical_lines
from engine.sources.ndjson.flat import FlatLines
from engine.sources.ndjson.flat_scan import flat_scan
from engine.sources.ndjson.route_texts import RouteTexts
from engine.sources.ndjson.rows import CANONICAL_IDS, IdReader, LineRows, exact_rows, overlong
from engine.sources.ndjson.scanned import Scan, ScannedLines
from engine.sources.spec import SourceSpec
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.line_slices import SLICE_BYTES, LineSlice, count_byte, line_slices
from engine.values import Place, Span

LOOKED_AT_BYTES = 1 << 12
"""How much of a file is looked at before any of them is read."""

SCANNED_BYTES = 1 << 18
"""How much is scanned at once: what is read is still in the processor's cache then."""

SliceReader = Callable[[LineSlice, Place], tuple[LineRows, int]]
"""Takes lines and the place of the first one; returns their records, and how many lines these were."""

FastReader = Callable[[bytes, int], tuple[list[str], bytes] | None]
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
    read_slice, slice_bytes = _slice_reader(file, spec, record_bytes_max, seen)
    row, stored = 1, _Stored()
    with file.open() as stream:
        for slice_ in line_slices(stream, name=file.name, line_bytes_max=record_bytes_max, slice_bytes=slice_bytes):
            place = Place(file.path, row)
            if slice_.overlong:
                rows, count = LineRows(0, [], b"", [], [overlong(slice_.lines, place, record_bytes_max)]), 1
            else:
                rows, count = read_slice(slice_, place)
            yield rows, stored.up_to(stream.stored_bytes, slice_.passed)
            row += count


class _Stored:
    """How far the slices are in the file as it is stored, of which far more is read at once than a slice holds."""

    def __init__(self) -> None:
        self._before = self._read = self._reached = 0

    def up_to(self, read: int, passed: float) -> int:
        """Return the bytes up to a slice, when so many were `read`, and so much of the last of them was passed."""
        if read > self._read:
            self._before, self._read = self._read, read
        self._reached = max(self._reached, self._before + round((self._read - self._before) * passed))
        return self._reached


def _slice_reader(file: InputFile, spec: SourceSpec, record_bytes_max: int, seen: set[str]) -> tuple[SliceReader, int]:
    """Return what reads a slice, and how large it should be, in bytes."""
    accelerated = acceleration.accelerator is not None
    if spec.id is None:
        ids_of = CANONICAL_IDS._replace(routes=RouteTexts(spec.route, in_data=True) if spec.route else None)
        if accelerated:
            scanner = acceleration.canonical_scanner(record_bytes_max)
            return _scanning(scanner.scan, read_canonical, record_bytes_max, ids_of)
        return _reading(read_canonical_lines, read_canonical, record_bytes_max, ids_of)
    flat = FlatLines(spec, file.keys, seen)
    given = (file.keys.get(spec.route) if spec.route else None) or ""
    routes = RouteTexts(spec.route, in_data=False, given=given) if spec.route else None
    ids_of = IdReader(flat.id_of, spec.tells_filtered, routes)
    flat_scanner = flat_scan(flat, spec, record_bytes_max) if accelerated else None
    if flat_scanner:
        return _scanning(flat_scanner.scan, flat_scanner.read_line, record_bytes_max, ids_of)
    return _reading(flat.read_lines, flat.read_line, record_bytes_max, ids_of)


def _scanning(scan: Scan, read_line: LineReader, record_bytes_max: int, ids_of: IdReader) -> tuple[SliceReader, int]:
    lines = ScannedLines(scan, read_line, acceleration.numbers_of, record_bytes_max, ids_of)
    return lines.read, SCANNED_BYTES


def _reading(
    read_lines: FastReader, read_line: LineReader, record_bytes_max: int, ids_of: IdReader
) -> tuple[SliceReader, int]:
    def read_slice(slice_: LineSlice, start: Place) -> tuple[LineRows, int]:
        lines = slice_.lines
        if b"\r" in lines:  # CRLF: no line ends inside a JSON value, so this alters none
            lines = lines.replace(b"\r\n", b"\n").removesuffix(b"\r")
        count = count_byte(lines, b"\n") + 1
        read = None if _any_overlong(lines, record_bytes_max) else read_lines(lines, count)
        if read:
            ids, records = read
            routed_by = ids_of.routes.of_lines(lines, count) if ids_of.routes else None
            return LineRows(count, ids, records, [Span(start.path, start.row, count)], routed_by=routed_by), count
        return exact_rows(lines, start, read_line, record_bytes_max, ids_of), count

    return read_slice, SLICE_BYTES


def _any_overlong(lines: bytes, record_bytes_max: int) -> bool:
    return len(lines) > record_bytes_max and max(map(len, lines.split(b"\n"))) > record_bytes_max
