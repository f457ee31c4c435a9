"""The accelerator of columns does what Arrow does, and trusts no buffer."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, strategies as st

from engine.sources.columns import acceleration
from engine.sources.columns.acceleration import SOURCE_DIGEST, are_plain_numbers, join_rows
from engine.sources.columns.column_text import join

SOURCE = Path(acceleration.__file__).with_name("_strings.c")


def column(values: list[str | None], skipped: int = 0) -> pa.StringArray:
    """Return a column that begins somewhere in its buffers."""
    return pa.array(["skipped"] * skipped + values, pa.string()).slice(skipped)


TEXTS = st.one_of(st.none(), st.text(max_size=5), st.text(min_size=20, max_size=70))


@st.composite
def parts_of_rows(draw: st.DrawFn) -> list[pa.StringArray | str]:
    rows = draw(st.integers(1, 40))
    columns = st.builds(column, st.lists(TEXTS, min_size=rows, max_size=rows), st.integers(0, 9))
    parts: list[pa.StringArray | str] = draw(st.lists(st.one_of(columns, st.text(max_size=40)), max_size=8))
    return [*parts, draw(columns)]


@given(parts_of_rows())
def test_rows_are_joined_as_arrow_joins_them(parts: list[pa.StringArray | str]) -> None:
    joined = join_rows(parts)
    joined.validate(full=True)
    assert joined.to_pylist() == join(*parts, null_handling="replace").to_pylist()


def test_no_rows_are_joined_to_none() -> None:
    assert join_rows(["a", column([])]).to_pylist() == []


@given(st.lists(TEXTS.map(lambda text: text and text[:3])), st.booleans())
def test_any_text_is_a_plain_number_or_not(values: list[str | None], whole: bool) -> None:
    assert_plain_if_it_matches(values, whole)


@given(st.lists(st.one_of(st.none(), st.from_regex(r"-?[019]{0,3}(\.[09]{0,2})?", fullmatch=True))), st.booleans())
def test_what_looks_like_a_number_is_a_plain_number_or_not(values: list[str | None], whole: bool) -> None:
    assert_plain_if_it_matches(values, whole)


def assert_plain_if_it_matches(values: list[str | None], whole: bool) -> None:
    pattern = r"0|-?[1-9][0-9]*" if whole else r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"
    expected = bool(values) and all(value is None or re.fullmatch(pattern, value) for value in values)
    is_there = acceleration.strings is not None
    assert are_plain_numbers(column(values, skipped=2), whole=whole) == (expected and is_there)


def test_the_binary_is_used_only_beside_its_own_source() -> None:
    lines = SOURCE.read_bytes().splitlines(keepends=True)
    without = b"".join(line for line in lines if not line.startswith(b"#define SOURCE_DIGEST"))
    digest = xxhash.xxh3_128_hexdigest(without)
    assert f'#define SOURCE_DIGEST "{digest}"\n'.encode() in lines, (
        f"_strings.c has changed: its SOURCE_DIGEST must be {digest}"
    )
    assert digest == SOURCE_DIGEST, "acceleration.py must say the same"


@pytest.fixture
def strings() -> ModuleType:
    if acceleration.strings is None:
        pytest.skip("the accelerator is not there")
    return acceleration.strings


def offsets(*values: int) -> bytes:
    return struct.pack(f"={len(values)}i", *values)


@pytest.mark.parametrize(
    "wrong",
    [
        (0, None, offsets(0, 1), b"ab"),  # one row too few
        (1, None, offsets(0, 1, 2), b"ab"),
        (2**62, None, offsets(0, 1, 2), b"ab"),
        (-1, None, offsets(0, 1, 2), b"ab"),
        (0, b"", offsets(0, 1, 2), b"ab"),
        (7, b"\xff", offsets(*range(10)), b"abcdefghij"),
        (0, None, b"", b"ab"),
    ],
)
def test_buffers_that_are_too_small_are_refused(strings: ModuleType, wrong: object) -> None:
    with pytest.raises(ValueError, match="too small"):
        strings.join_rows([b"x", wrong], 2)
    with pytest.raises(ValueError, match="too small"):
        strings.are_plain_numbers(wrong, 2, False)


@pytest.mark.parametrize("valid", [None, b"\x03"])
@pytest.mark.parametrize("wrong", [(0, 1, 3), (0, 3, 2), (-1, 1, 2), (0, 2, 1), (1, 0, 2), (0, -5, 2)])
def test_offsets_that_leave_the_text_are_refused(
    strings: ModuleType, valid: bytes | None, wrong: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="not within"):
        strings.join_rows([(0, valid, offsets(*wrong), b"12")], 2)
    assert not strings.are_plain_numbers((0, valid, offsets(*wrong), b"12"), 2, False)


def test_what_a_null_has_for_offsets_does_not_matter(strings: ModuleType) -> None:
    wild = (0, b"\x05", offsets(0, 1, -9, 2) + offsets(2**31 - 1), b"12")
    assert strings.join_rows([(0, b"\x00", offsets(5, -9), None), b"x"], 1) == (offsets(0, 1), b"x")
    with pytest.raises(ValueError, match="not within"):
        strings.join_rows([wild], 3)


@given(
    skipped=st.integers(-1, 20),
    valid=st.none() | st.binary(max_size=4),
    bounds=st.lists(st.integers(0, 40) | st.integers(-(2**31), 2**31 - 1), max_size=30),
    text=st.none() | st.text("0123456789.-x", max_size=40).map(str.encode),
    rows=st.integers(1, 20),
)
def test_any_buffers_are_read_within_their_bounds_or_refused(
    skipped: int, valid: bytes | None, bounds: list[int], text: bytes | None, rows: int
) -> None:
    """`tests/fuzz` runs this with a sanitizer."""
    if acceleration.strings is None:
        return
    for made in (bounds, sorted(bounds)):
        part = (skipped, valid, offsets(*made), text)
        try:
            ends, joined = acceleration.strings.join_rows([b"[", part, b"]"], rows)
        except ValueError:
            continue
        assert len(ends) == 4 * (rows + 1)
        assert struct.unpack_from("=i", ends, 4 * rows) == (len(joined),)
        assert acceleration.strings.are_plain_numbers(part, rows, False) in (True, False)


@pytest.mark.parametrize("part", [None, "text", 7, (0, None, "text", b""), (0, None), (0, 5, offsets(0, 0), b"")])
def test_what_is_no_part_is_refused(strings: ModuleType, part: object) -> None:
    with pytest.raises(TypeError):
        strings.join_rows([b"x", part], 1)


@pytest.mark.parametrize("rows", [0, -1, 2**31])
def test_a_number_of_rows_that_cannot_be_is_refused(strings: ModuleType, rows: int) -> None:
    with pytest.raises(ValueError, match="there must be rows"):
        strings.join_rows([b"x"], rows)
    with pytest.raises(ValueError, match="there must be rows"):
        strings.are_plain_numbers((0, None, offsets(0, 0), b""), rows, False)


def test_rows_of_more_than_two_gigabytes_are_left_to_arrow(strings: ModuleType) -> None:
    with pytest.raises(OverflowError):
        strings.join_rows([b"x" * (1 << 20)], 1 << 12)
