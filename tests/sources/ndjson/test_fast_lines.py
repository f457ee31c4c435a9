"""The fast path of NDJSON says exactly what the exact path says, or nothing."""

import json
import sys
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from engine.sources.ndjson import fast_lines as canonical, utf8
from engine.sources.ndjson.exact_lines import read_canonical
from engine.sources.ndjson.fast_lines import read_canonical_lines
from engine.sources.ndjson.rows import exact_rows
from engine.values import Place, Span

GOOD = b'{"id":"a","data":{"x":1}}'


def exact(lines: bytes) -> tuple[list[str], bytes, bool]:
    """The ids, the lines, and whether each line was a record, by the exact path."""
    block = exact_rows(lines, Place("f", 1), read_canonical, 8_000_000)
    count = lines.count(b"\n") + 1
    return list(block.ids or ()), block.lines, list(block.spans) == [Span("f", 1, count)]


def check(lines: bytes) -> list[str] | None:
    """What the fast path says, after checking it."""
    read = read_canonical_lines(lines, lines.count(b"\n") + 1)
    if read is not None:
        assert (*read, True) == exact(lines)
        assert read[1] is lines
    return read and read[0]


texts = st.text(max_size=12) | st.sampled_from(
    ["", "id", "data", '"', "}}\n{", '","data":{"', "अ", "😀", " " * 70, "[" * 300]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
data_objects = st.dictionaries(texts, values, min_size=1, max_size=4)


@st.composite
def record_lines(draw: st.DrawFn) -> bytes:
    """A line as some program would write a record; now and then with a record that is none."""
    id_ = draw(texts if draw(st.booleans()) else values)
    data = draw(values if draw(st.integers(0, 9)) == 0 else data_objects)
    pairs = [("id", id_), ("data", data)]
    if draw(st.integers(0, 9)) == 0:
        pairs.append(draw(st.tuples(st.sampled_from(["id", "data", "k"]), values)))
    if draw(st.integers(0, 9)) == 0:
        pairs.reverse()
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), (",\t", ":")]))
    ascii_ = draw(st.booleans())
    members = [
        json.dumps(key) + colon + json.dumps(value, ensure_ascii=ascii_, separators=(comma, colon))
        for key, value in pairs
    ]
    return ("{" + comma.join(members) + "}").encode("utf-8", "surrogatepass")


plain_ids = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), min_size=1, max_size=9)
plain_lines = st.builds(
    lambda id_, data, ascii_: json.dumps(
        {"id": id_, "data": data}, separators=(",", ":"), ensure_ascii=ascii_
    ).encode(),
    plain_ids,
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=9).filter(str.isprintable), min_size=1),
    st.booleans(),
)
blobs = st.lists(record_lines() | plain_lines, min_size=1, max_size=5).map(b"\n".join)
fragments = [
    b"\n",
    b"}",
    b"{",
    b"}}\n{",
    b" ",
    b"\t",
    b"\r",
    b",",
    b'"',
    b'"id":"b",',
    b'"data":{},',
    b'{"id":"',
    b"\xff",
    b"\\",
]


@settings(max_examples=200, deadline=None)
@given(blobs)
def test_it_agrees_on_lines_as_programs_write_them(lines: bytes) -> None:
    check(lines)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_it_agrees_on_mutilated_lines(data: st.DataObject) -> None:
    lines = data.draw(st.lists(plain_lines, min_size=1, max_size=4).map(b"\n".join))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(lines)))
        end = data.draw(st.integers(start, min(start + 3, len(lines))))
        lines = lines[:start] + data.draw(st.sampled_from([b"", *fragments])) + lines[end:]
    check(lines)


@settings(max_examples=60, deadline=None)
@given(st.lists(plain_lines, min_size=1, max_size=4))
def test_it_takes_plain_records(lines: list[bytes]) -> None:
    """Else it would be no fast path."""
    assert check(b"\n".join(lines)) is not None


@settings(max_examples=200, deadline=None)
@given(record_lines())
def test_the_exact_path_agrees_with_other_readers(line: bytes) -> None:
    ids, lines, _ = exact(line)
    try:
        parsed = orjson.loads(line)
        pairs = json.loads(line, object_pairs_hook=list)
    except ValueError:
        assert not ids
        return
    valid = (
        isinstance(parsed.get("id"), str)
        and parsed["id"]
        and isinstance(parsed.get("data"), dict)
        and parsed["data"]
        and len(pairs) == len(parsed)
    )
    assert bool(ids) == bool(valid)
    if ids:
        assert ids == [parsed["id"]]
        assert orjson.loads(lines) == {"id": parsed["id"], "data": parsed["data"]}


# Each of these passes some of the sums; the first few also pass all but one of them.
@pytest.mark.parametrize(
    "lines",
    [
        [b'{"id":"a","data":{"x":1}} {"id":"b","data":{"x":1}}', b'{"id":"c","data":{"x":', b"1}}"],
        [GOOD + GOOD, b"", GOOD],
        [GOOD, b'{"id":"b","data":{"x":[{}}', b'{"id":"', b"]}}"],
        [b'{"id":"a","data":"}}"}', GOOD],
        [b'{"id":"a","data":5,"data":{"x":1}}', GOOD],
        [b'{"id": "a", "id":"b","data":{"x":1}}', b'{"id": "b","data":{"x":1}}'],
        [b'{"id":"a","data":{%b}}' % (b" " * 18)] * 2,
        [b'{"id":"a","data":{%b}}' % (b" " * 100), b'{"id":"a","data":{"x":"%b"}}' % (b"y" * 100)],
        [b'{"id":"a","data":{\t \t \t \t \t \t}}', GOOD],
        [b'{"id":"","data":{"x":1}}', GOOD],
        [b'{"id":"a","data":{"x":%b1%b}}' % (b"[" * 199, b"]" * 199), GOOD],
        [b'{"id":"a","data":{"x":"\xff"}}', GOOD],
        [GOOD, b'{"id":"a","data":{"x":"\\ud800"}}'],
        [b'{"id":"a","data":[{"x":1}]}', GOOD],
    ],
)
def test_it_doubts_what_only_looks_right(lines: list[bytes]) -> None:
    assert check(b"\n".join(lines)) is None


@pytest.mark.parametrize(
    "line",
    [
        GOOD,
        b'{"id": "a", "data": {"x": 1}}',
        b'{"id": "\\u0905\\u0906", "data": {"x": 1}}',
        '{"id":"अनीता","data":{"नाम":"देवी"}}'.encode(),
        b'{"id":"a","data":{"id":"b","data":{"id":"c"}}}',
        b'{"id":"a","data":{"x":"%b"}}' % (b" " * 100),
        b'{"id":"a","data":{"x":"%b"}}' % (b"[{" * 400),
        b'{"id":"a","data":{"x":%b}}' % b",".join([b"[{}]"] * 400).join([b"[", b"]"]),
    ],
)
def test_it_takes_what_is_usual_or_harmless(line: bytes) -> None:
    assert check(b"\n".join([line] * 3)) is not None


@pytest.mark.parametrize("way", [utf8.Utf8Check(), utf8.check_natively])
@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (b"", True),
        (b"abc\0", True),
        ("अनीता 😀".encode(), True),
        (b"\xff", False),
        (b"ab\xc3", False),
        (b"\xed\xa0\x80", False),
        (b"\xc0\x80", False),
        (b"\xf4\x90\x80\x80", False),
    ],
)
def test_both_ways_of_checking_utf_8(way: Callable[[bytes], bool], text: bytes, valid: bool) -> None:
    assert way(text) is valid


def test_a_large_source_is_worth_the_faster_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    asked: list[bytes] = []

    def natively(text: bytes) -> bool:
        asked.append(text)
        return True

    monkeypatch.setattr(utf8, "check_natively", natively)
    monkeypatch.setattr(utf8, "PYARROW_PAYS_FROM_BYTES", 100)
    check_ = utf8.Utf8Check()
    text = "अनीता".encode() * 4
    assert [check_(text) for _ in range(4)] == [True] * 4
    assert asked == [text] * 2
    assert check_(b"a" * 200)


def test_the_least_bytes_of_a_line_are_what_they_are_said_to_be() -> None:
    assert len(GOOD) == canonical.ENVELOPE_BYTES + len("a") + len('{"x":1}')
