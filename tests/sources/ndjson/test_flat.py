"""The fast path of flat lines gives the very bytes of the exact path, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from engine.sources.ndjson.flat import FlatLines
from engine.sources.ndjson.reader import exact_rows
from engine.sources.spec import SourceSpec
from engine.values import Place, Span

keys = st.sampled_from(["k", "a", "b", "%b", "é", 'q"', ""])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(":null"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
mappings = st.sampled_from(
    [
        {},
        {},
        {"nulls": "send"},
        {"exclude": frozenset("a")},
        {"fields": ("a", "b")},
        {"rename": {"a": "b"}},
        {"constants": {"z": "%", "a": 1}},
    ]
)


def check(lines: bytes, mapping: dict[str, Any]) -> bool:
    """Return whether the fast path took the lines, after checking it."""
    flat = FlatLines(SourceSpec((), id="k", **mapping), {}, set())
    count = lines.count(b"\n") + 1
    read = flat.read_lines(lines, count)
    if read is None:
        return False
    block = exact_rows(lines, Place("f", 1), flat.read_line, 8_000_000)
    assert (block.ids, block.lines) == read
    assert block.spans == [Span("f", 1, count)]
    return True


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Lines that have the same keys, as an export writes them; now and then mutilated."""
    columns = ["k", *draw(st.lists(keys, max_size=3, unique=True))] if draw(st.booleans()) else draw(st.lists(keys))
    compact = draw(st.integers(0, 4))
    ids = draw(st.sampled_from([st.text(min_size=1), st.integers(0), values]))
    rows = draw(st.lists(st.tuples(ids, *[values for _ in columns]), min_size=1, max_size=4))
    lines = [
        json.dumps(
            dict(zip(columns, row, strict=False)),
            separators=(",", ":") if compact else (", ", ": "),
            ensure_ascii=draw(st.booleans()),
        )
        for row in rows
    ]
    blob = "\n".join(lines).encode()
    if draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, len(blob)))
        piece = draw(st.sampled_from([b"", b" ", b"\n", b'"k":"x",', b'"a":1,', b"\xff", b"-", b"}\n{"]))
        blob = blob[:start] + piece + blob[start + draw(st.integers(0, 2)) :]
    return blob


@settings(max_examples=400, deadline=None)
@given(tables(), mappings)
def test_it_agrees(lines: bytes, mapping: dict[str, Any]) -> None:
    check(lines, mapping)


@pytest.mark.parametrize(
    ("line", "mapping"),
    [
        (b'{"k":"a","x":1,"y":[{"z":1.10}]}', {}),
        (b'{"k":12345678901234567890123,"x":1}', {}),
        ('{"k":"अ","नाम":"देवी"}'.encode(), {}),
        (b'{"k":"a","x":null}', {"nulls": "send"}),
        (b'{"k":"a","x":%b}' % (b"[" * 190 + b"]" * 190), {}),
    ],
)
def test_it_takes_what_an_export_writes(line: bytes, mapping: dict[str, Any]) -> None:
    assert check(b"\n".join([line] * 3), mapping)


@pytest.mark.parametrize(
    ("lines", "mapping"),
    [
        ([b'{"k":"a","x":null}'], {}),
        ([b'{"k":"a","x":1}'], {"rename": {"x": "y"}}),
        ([b'{"k":"a","x":1}'], {"exclude": frozenset("x")}),
        ([b'{"k":"a","x":1}', b'{"k":"a","y":1}'], {}),
        ([b'{"k":"a","x":1}', b'{"k":1,"x":1}'], {}),
        ([b'{"k":"a","x":1}', b'{"k":"","x":1}'], {}),
        ([b'{"k":"a","x":1}', b'{"k":"a","x":1,"x":1}'], {}),
        ([b'{"k":"a","x":1}', b'{"k":"a", "x":1}'], {}),
        ([b'{"k":"a","x":1}{"k":"a","x":1}', b'{"k":"a","x":[', b"]}"], {}),
        ([b'{"k":-0,"x":1}'], {}),
        ([b'{"k":1.5,"x":1}'], {}),
        ([b'{"k":[1],"x":1}'], {}),
        ([b'{"x":1,"k":"a"}'], {}),
        ([b'{"k":"a"}'], {}),
        ([b"{}"], {}),
        ([b'{"k":"a","x":"\xff"}'], {}),
        ([b'{"k":"a","x":%b}' % (b"[" * 200 + b"]" * 200)], {}),
    ],
)
def test_it_leaves_the_rest_to_the_exact_path(lines: list[bytes], mapping: dict[str, Any]) -> None:
    assert not check(b"\n".join(lines), mapping)
