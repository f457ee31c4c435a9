"""CSV on random text: the native reading and the exact one agree, and neither depends on where the text is cut."""

import csv as stdlib_csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings, strategies as st

from engine.sources.csv import table as csv_table
from engine.sources.csv.native import NativeReader
from tests.sources.tables import TableReading, read_text

HEADER = b"id,a,b\n"
TYPES: dict[str, Any] = {"a": "number", "b": "date"}

dirty = st.lists(
    st.sampled_from(
        [b'"', b",", b"\n", b"\r", b"\r\n", b'""', b'","', b" ", b"\\", b"x", b"1", b"\xff", b"\0", "é".encode()]
    )
    | st.sampled_from([b"1,2,3\n", b'"1","2","3"\n', b'"1","a\nb","3"\r\n', b"1,,\n", b"1,1.50,2026-11-30\n"])
    | st.sampled_from([HEADER, b"\xef\xbb\xbf", b"a,id,b\n", b"Total,,3\n", b"-- 2 rows\n", b'1,"x,3\n', b'2,15",3\n']),
    max_size=30,
).map(b"".join)


dialects = st.sampled_from([{"delimiter": ","}, {"delimiter": ",", "quote": ""}, {"delimiter": ",", "escape": "\\"}])


def exactly(content: bytes, **mapping: Any) -> TableReading:
    with TemporaryDirectory() as folder, patch.object(NativeReader, "read", lambda *_: None):
        return read_text(Path(folder), content, **mapping)


def natively(content: bytes, piece_bytes: int, **mapping: Any) -> TableReading:
    with TemporaryDirectory() as folder, patch.object(csv_table, "PIECE_BYTES", piece_bytes):
        return read_text(Path(folder), content, **mapping)


def without_places(reading: TableReading) -> Any:
    refusals = [(r.reason, r.place.row, r.id, r.data, r.raw) for r in reading.refusals]
    return reading.ids, reading.lines, reading.rows, refusals, reading.damage and reading.damage.split(": ", 1)[1]


@settings(max_examples=400, deadline=None)
@given(body=dirty, typed=st.booleans(), nulls=st.sampled_from(["omit", "send"]), dialect=dialects)
@example(body=b'1,5" pipe,3\n2,"a\nb",3\n', typed=False, nulls="omit", dialect={})
@example(body=b'1,"a"b,3\n2,,3\n', typed=False, nulls="omit", dialect={})
@example(body=b'1,""b,3\n"2","""","3"\n', typed=False, nulls="omit", dialect={})
def test_the_native_reading_agrees_with_the_exact_one(
    body: bytes, typed: bool, nulls: str, dialect: dict[str, str]
) -> None:
    mapping: dict[str, Any] = {"types": TYPES if typed else {}, "nulls": nulls, **dialect}
    assert without_places(natively(HEADER + body, 1 << 20, **mapping)) == without_places(
        exactly(HEADER + body, **mapping)
    )


@settings(max_examples=300, deadline=None)
@given(body=dirty, piece_bytes=st.integers(8, 60), dialect=dialects)
@example(body=b'1,2,3\n2,15",3\nTotal,,3\nid,a,b\n', piece_bytes=10, dialect={"delimiter": ","})
@example(body=b'""1,2,3\nTotal,,3\n""1,,\nid,a,b\n', piece_bytes=8, dialect={"delimiter": ","})
def test_where_the_text_is_cut_does_not_matter(body: bytes, piece_bytes: int, dialect: dict[str, str]) -> None:
    in_pieces, whole = natively(HEADER + body, piece_bytes, **dialect), exactly(HEADER + body, **dialect)
    assert without_places(in_pieces) == without_places(whole)


text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\n\r\t\\; é"'), max_size=8)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(st.text(min_size=1, max_size=5), text, text), max_size=20),
    # not QUOTE_MINIMAL with "\n": that writer leaves a carriage return in a cell unquoted, and nobody can tell it apart
    style=st.sampled_from(
        [(stdlib_csv.QUOTE_ALL, "\n"), (stdlib_csv.QUOTE_ALL, "\r\n"), (stdlib_csv.QUOTE_MINIMAL, "\r\n")]
    ),
    piece_bytes=st.integers(16, 200) | st.just(1 << 20),
)
def test_what_a_csv_writer_wrote_is_read_back_unaltered(
    rows: list[tuple[str, str, str]], style: tuple[Any, str], piece_bytes: int
) -> None:
    written = io.StringIO(newline="")
    writer = stdlib_csv.writer(written, quoting=style[0], lineterminator=style[1])
    writer.writerows([("id", "a", "b"), *rows])
    found = natively(written.getvalue().encode(errors="replace"), piece_bytes, nulls="send")
    as_written = [tuple(cell.encode(errors="replace").decode() for cell in row) for row in rows]
    assert found.ids == [row[0] for row in as_written]
    assert [(data["a"] or "", data["b"] or "") for data in found.data] == [row[1:] for row in as_written]
    assert not found.refusals


MARKS = st.sampled_from([",", ";", "\t", "|", "~", "§"])


def written_in(rows: list[list[str]], delimiter: str, quote: str, escape: str, line_end: str, style: Any) -> str:
    """Write a table as Python's writer does, quotes doubled or escaped."""
    text = io.StringIO(newline="")
    writer = stdlib_csv.writer(
        text,
        delimiter=delimiter,
        quotechar=quote or None,
        escapechar=escape or None,
        doublequote=not escape,
        lineterminator=line_end,
        quoting=style if quote else stdlib_csv.QUOTE_NONE,
    )
    writer.writerows(rows)
    return text.getvalue()


@settings(max_examples=400, deadline=None)
@given(
    rows=st.lists(st.tuples(st.text("abc", min_size=1, max_size=5), text, text).map(list), max_size=12),
    delimiter=MARKS,
    quote=st.sampled_from(['"', "'", "", "«"]),
    escape=st.sampled_from(["", "\\", "^"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    style=st.sampled_from([stdlib_csv.QUOTE_ALL, stdlib_csv.QUOTE_MINIMAL]),
    bom=st.sampled_from(["", "\ufeff"]),
    piece_bytes=st.integers(16, 200) | st.just(1 << 20),
)
def test_every_dialect_that_is_set_is_read_back_unaltered(
    rows: list[list[str]],
    delimiter: str,
    quote: str,
    escape: str,
    line_end: str,
    style: Any,
    bom: str,
    piece_bytes: int,
) -> None:
    unwritable = "" if quote or escape else f"\n{delimiter}"
    if not quote or style == stdlib_csv.QUOTE_MINIMAL:
        unwritable += "\r"  # that writer neither quotes nor escapes it
    rows = [[row[0], *(cell.translate(dict.fromkeys(map(ord, unwritable))) for cell in row[1:])] for row in rows]
    content = bom + written_in([["id", "a", "b"], *rows], delimiter, quote, escape, line_end, style)
    content = content.encode(errors="replace").decode()
    found = natively(content.encode(), piece_bytes, nulls="send", delimiter=delimiter, quote=quote, escape=escape)
    as_written = [[cell.encode(errors="replace").decode() for cell in row] for row in rows]
    assert found.ids == [row[0] for row in as_written]
    assert [[data["a"] or "", data["b"] or ""] for data in found.data] == [row[1:] for row in as_written]
    assert not found.refusals


plain = st.text("abc1. -/é", min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(
        st.lists(plain | st.sampled_from(["Rao, Asha", "a;b", "1|2", "3.5"]), min_size=3, max_size=3), min_size=2
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    style=st.sampled_from([stdlib_csv.QUOTE_ALL, stdlib_csv.QUOTE_MINIMAL]),
    bom=st.sampled_from(["", "\ufeff"]),
)
def test_every_usual_dialect_is_found(
    rows: list[list[str]], delimiter: str, line_end: str, style: Any, bom: str
) -> None:
    rows = [[f"LN{number}", *row[1:]] for number, row in enumerate(rows)]
    content = bom + written_in([["id", "a", "b"], *rows], delimiter, '"', "", line_end, style)
    found = natively(content.encode(), 1 << 20)
    assert found.ids == [row[0] for row in rows]
    assert [[data["a"], data["b"]] for data in found.data] == [row[1:] for row in rows]
