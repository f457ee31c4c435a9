"""The accelerator says what the Python path says, of every line, or nothing; and of usual lines it says all."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.sources.files import open_source
from engine.sources.ndjson import acceleration
from engine.sources.ndjson.exact_lines import LineReader, read_canonical
from engine.sources.ndjson.flat import FlatLines
from engine.sources.ndjson.flat_scan import flat_scan
from engine.sources.ndjson.rows import LineRows, exact_rows
from engine.sources.ndjson.scanned import Scan, ScannedLines, _kept_and_left_out
from engine.sources.spec import SourceSpec
from engine.sources.stored.line_slices import LineSlice
from engine.values import JoinedLines, LineIds, Place, Span, count_of, places
from tests.sources.ndjson.lines_of_all_kinds import SPECS, canonical_line, flat_line, lines_of, spec_of
from tests.sources.reading import read

pytestmark = pytest.mark.skipif(acceleration.accelerator is None, reason=f"no accelerator: {acceleration.why_pure}")

LINE_BYTES_MAX = 700
HISTORIES = int(os.environ.get("SCANNED_TEXTS", "400"))
"""So many texts are tried of each kind; a million lines of all kinds take some minutes."""


def scanned(lines: bytes, scan: Scan, read_line: LineReader) -> LineRows:
    """What the accelerator and, behind it, the Python path make of lines, read from the middle of a text."""
    data = b"before\n" + lines + b"\nbehind"
    slice_ = LineSlice(data, len(b"before\n"), len(b"before\n") + len(lines))
    found, count = ScannedLines(scan, read_line, acceleration.numbers_of, LINE_BYTES_MAX).read(slice_, Place("f", 5))
    assert count == lines.count(b"\n") + 1
    return found


def assert_same(found: LineRows, lines: bytes, read_line: LineReader) -> None:
    """`found` is what the Python path makes of the same lines."""
    whole = lines.replace(b"\r\n", b"\n").removesuffix(b"\r")
    exact = exact_rows(whole, Place("f", 5), read_line, LINE_BYTES_MAX)
    ids = list(LineIds(JoinedLines(found.lines), found.count))
    assert (ids, found.lines) == (list(exact.ids or ()), exact.lines)
    assert (found.spans, found.refusals, found.filtered) == (exact.spans, exact.refusals, exact.filtered)
    assert found.id_numbers == acceleration.numbers_of(ids)


@pytest.mark.parametrize("seed", range(40))
def test_canonical_lines_are_what_they_are_in_python(seed: int) -> None:
    rng = Random(seed)
    scanner = acceleration.canonical_scanner(LINE_BYTES_MAX)
    for _ in range(HISTORIES):
        lines = lines_of(rng, canonical_line)
        assert_same(scanned(lines, scanner.scan, read_canonical), lines, read_canonical)


@pytest.mark.parametrize("keys", [{}, {"zone": "N1"}, {"region": None, "year": "2026"}], ids=["none", "one", "two"])
@pytest.mark.parametrize("number", range(len(SPECS)))
def test_flat_lines_are_what_they_are_in_python(number: int, keys: dict[str, str | None]) -> None:
    rng = Random(number)
    spec = spec_of("loan_id", SPECS[number])
    seen: set[str] = set()
    wanted: set[str] = set()
    fast = flat_scan(FlatLines(spec, keys, seen), spec, LINE_BYTES_MAX)
    assert fast
    exact = FlatLines(spec, keys, wanted)
    for _ in range(HISTORIES):
        lines = lines_of(rng, flat_line)
        assert_same(scanned(lines, fast.scan, fast.read_line), lines, exact.read_line)
        assert seen == wanted


def whole_file(path: Path, spec: SourceSpec) -> dict[str, Any]:
    """All that comes of a file, however it is cut into blocks."""
    blocks = list(
        open_source(replace(spec, paths=(str(path),)), batch_size=7, record_bytes_max=LINE_BYTES_MAX).blocks()
    )
    return {
        "ids": [id_ for block in blocks for id_ in block.ids],
        "lines": [line for block in blocks if block.ids for line in block.lines.split(b"\n")],
        "places": [place for block in blocks for place in places(block.spans)],
        "refusals": [refusal for block in blocks for refusal in block.refusals],
        "filtered": [place for block in blocks for place in places(block.filtered)],
        "notes": [note for block in blocks for note in block.notes],
        "digests": [digest for block in blocks for digest in block.digests.items()],
        "bytes": sum(block.source_bytes for block in blocks),
    }


@pytest.mark.parametrize("number", range(-1, len(SPECS)))
def test_whole_files_are_what_they_are_in_python(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(number)
    spec = spec_of("loan_id", SPECS[number]) if number >= 0 else spec_of(None, {})
    path = tmp_path / "portfolio.ndjson"
    for ending in (b"\n", b"", b"\r\n"):
        kind = flat_line if number >= 0 else canonical_line
        usual = [
            b'{"loan_id":"L%d","amount":"1","status":"due","name":"n","dpd":7,"note":"x","zone":"N1"}' % n
            for n in range(9)
        ]
        parts = [*(usual if number >= 0 else ()), *(lines_of(rng, kind) for _ in range(150))]
        path.write_bytes(b"\xef\xbb\xbf" * (ending == b"") + b"\n".join(parts) + ending)
        found = whole_file(path, spec)
        with monkeypatch.context() as patch:
            patch.setattr(acceleration, "accelerator", None)
            expected = whole_file(path, spec)
        assert found == expected
        assert found["ids"]


def counted(scan: Scan) -> tuple[Scan, Callable[[], int]]:
    """The same `scan`, and how often it was called."""
    calls = 0

    def counting(data: bytes, start: int, stop: int) -> tuple[bytes, bytes, int, int, int, bytes]:
        nonlocal calls
        calls += 1
        return scan(data, start, stop)

    return counting, lambda: calls


USUAL = [
    {
        "loan_id": f"LN/{n}",
        "name": "अदिति" if n % 2 else "Ravi",
        "amount": n * 0.01,
        "dpd": None if n % 3 else n,
        "ok": True,
    }
    for n in range(100)
]
MAPPINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "nulls sent": {"nulls": "send"},
    "fields": {"fields": ("name", "dpd")},
    "exclude and rename": {"exclude": frozenset({"ok"}), "rename": {"name": "first_name"}},
    "constants": {"constants": {"feed": "x"}},
    "null words": {"null_values": ("Ravi", "N/A")},
    "where": {"where": {"name": ("Ravi",)}},
}


@pytest.mark.parametrize("name", MAPPINGS)
@pytest.mark.parametrize("written", ["compact", "spaced", "escaped", "id last", "shuffled", "integer ids"])
def test_usual_lines_are_not_declined(name: str, written: str) -> None:
    records: list[dict[str, Any]] = [dict(record) for record in USUAL]
    if written == "id last":
        records = [
            {**{k: v for k, v in record.items() if k != "loan_id"}, "loan_id": record["loan_id"]} for record in records
        ]
    if written == "shuffled":
        rng = Random(1)
        others = ["loan_id", "amount", "dpd", "ok"]
        records = [
            {key: record[key] for key in rng.sample(["name", *rng.sample(others, 3)], 4)}
            | {"loan_id": record["loan_id"]}
            for record in records
        ]
    if written == "integer ids":
        records = [{**record, "loan_id": number} for number, record in enumerate(records)]
    separators = (", ", ": ") if written == "spaced" else (",", ":")
    lines = b"\n".join(
        json.dumps(record, separators=separators, ensure_ascii=written == "escaped").encode() for record in records
    )
    spec = spec_of("loan_id", MAPPINGS[name])
    fast = flat_scan(FlatLines(spec, {}, set()), spec, LINE_BYTES_MAX)
    assert fast
    scan, calls = counted(fast.scan)
    found = scanned(lines, scan, fast.read_line)
    assert found.count == (50 if name == "where" else 100)
    assert calls() <= 3  # the first line has keys that nobody knows yet; a later one may have another one


def test_one_line_that_needs_a_look_slows_down_no_other() -> None:
    lines = [b'{"id":"%d","data":{"a":1}}' % number for number in range(500)]
    lines[250] = b'{"id":"x","data":{"a":1},"other":2}'
    scan, calls = counted(acceleration.canonical_scanner(LINE_BYTES_MAX).scan)
    found = scanned(b"\n".join(lines), scan, read_canonical)
    assert (found.count, calls()) == (500, 2)
    assert found.spans == [Span("f", 5, 500)]


def test_rows_that_are_left_out_are_told_apart(tmp_path: Path) -> None:
    content = b"".join(b'{"id":"%d","s":"%d"}\n' % (n, n % 3) for n in range(1, 2_001))
    kept = [n for n in range(1, 2_001) if n % 3 == 1]
    found = read(tmp_path, content, id="id", where={"s": ("1",)})
    assert found.rows == kept
    assert found.ids == [str(n) for n in kept]


def test_a_line_is_declined_at_the_border_of_what_is_allowed() -> None:
    line = b'{"id":"a","data":{"a":"%b"}}' % (b"x" * 100)
    for most, ending, declined in ((len(line), b"", False), (len(line) - 1, b"", True), (len(line), b"\r", True)):
        text, _, records, *_ = acceleration.canonical_scanner(most).scan(line + ending, 0, len(line + ending))
        assert (text, records) == ((b"", 0) if declined else (line, 1))


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_text_is_utf8_as_python_decodes_it() -> None:
    """Every first byte, and behind it those at the borders of what may follow: short forms, surrogates, the end."""
    scan = acceleration.canonical_scanner(LINE_BYTES_MAX).scan
    borders = [bytes([byte]) for byte in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0)]
    ends = [b"", *borders, *(b"\x80" + border for border in borders)]
    texts = [bytes([first]) + second + end for first in range(0x80, 0x100) for second in borders for end in ends]
    lines = {text: b'{"id":"a","data":{"a":"%b"}}' % text for text in texts}
    wrong = [text for text, line in lines.items() if scan(line, 0, len(line))[2] != is_utf8(text)]
    assert not wrong


def test_only_what_is_space_in_python_stands_between_parts() -> None:
    scan = acceleration.canonical_scanner(LINE_BYTES_MAX).scan
    parts = [
        b"",
        b"{",
        b'"id"',
        b":",
        b'"a"',
        b",",
        b'"data"',
        b":",
        b"{",
        b'"a"',
        b":",
        b"[",
        b"1",
        b"]",
        b"}",
        b"}",
        b"",
    ]
    for byte in (bytes([value]) for value in range(256) if value != ord("\n")):
        for gap in range(1, len(parts)):
            line = b"".join(parts[:gap]) + byte + b"".join(parts[gap:])
            assert_same(scanned(line, scan, read_canonical), line, read_canonical)


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (2, 1), (0, 99), (0, 3)])
def test_only_whole_lines_are_scanned(start: int, stop: int) -> None:
    scanner = acceleration.canonical_scanner(100)
    with pytest.raises(ValueError, match="no whole lines"):
        scanner.scan(b"12345\n", start, stop)


def test_memory_of_the_settings_is_given_back() -> None:
    import sys

    word, tail = b"x" * 50, b'"a":"' + b"y" * 50 + b'"'
    before = (sys.getrefcount(word), sys.getrefcount(tail))
    for _ in range(100):
        scanner = acceleration.extension().FlatScanner(100, 1, True, b"", tail, (word,), 0, 0)
        assert scanner.learn(b"k", True, False, None, (word, word), -1, (word,))
        assert not scanner.learn(b"k", True, False, tail, (word,), -1, ())
        with pytest.raises(TypeError):
            scanner.learn(b"l", True, False, tail, (word, "no bytes"), -1, ())
        with pytest.raises(ValueError, match="out of range"):
            scanner.learn(b"l", True, False, tail, (word,), 64, ())
    del scanner
    assert (sys.getrefcount(word), sys.getrefcount(tail)) == before


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_rows_that_are_kept_and_those_left_out_are_all_of_them(share: float) -> None:
    dice = Random(3)
    for count in (0, 1, 2, 63, 64, 65, 1_000):
        left_out = [distance for distance in range(count) if dice.random() < share]
        kept, gone = _kept_and_left_out("f", 7, count, array("I", left_out).tobytes())
        assert [place.row for place in places(gone)] == [7 + distance for distance in left_out]
        assert [place.row for place in places(kept)] == sorted(
            {*range(7, 7 + count)}.difference(7 + distance for distance in left_out)
        )


@pytest.mark.parametrize("gone", [range(1_000), range(500), range(1, 1_000), [0, 999]])
def test_where_nearly_all_are_left_out_or_kept_there_are_few_spans(gone: Sequence[int]) -> None:
    spans = _kept_and_left_out("f", 7, 1_000, array("I", gone).tobytes())
    if len(gone) != 500:  # how often they change is not counted
        assert all(isinstance(each, list) and len(each) <= 2 for each in spans)
    assert sum(map(count_of, spans)) == 1_000


@pytest.mark.parametrize("left_out", [[3], [2, 0, 0], [2] * 3, [1, 1], [2, 1], [0, 1, 2, 2], [2**32 - 1]])
def test_rows_that_cannot_be_are_not_told_apart(left_out: list[int]) -> None:
    with pytest.raises(ValueError, match=r"ascend|left out"):
        acceleration.rows_apart(1, 3, array("I", left_out).tobytes())
