"""The accelerator of columns does what Arrow does, and trusts no buffer."""

from __future__ import annotations

import json
import math
import re
import struct
from datetime import date
from pathlib import Path
from random import Random
from types import ModuleType

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, strategies as st

from engine.sources.columns import acceleration
from engine.sources.columns.acceleration import (
    SOURCE_DIGEST,
    are_dates,
    are_plain_numbers,
    join_rows,
    may_hold,
    number_texts,
    stands_as_it_is,
)
from engine.sources.columns.column_text import join, spread
from engine.sources.csv.not_records import AROUND_NAMES, folded

SOURCE = Path(acceleration.__file__).with_name("_strings.c")


def column(values: list[str | None], skipped: int = 0) -> pa.StringArray:
    """Return a column that begins somewhere in its buffers."""
    return pa.array(["skipped"] * skipped + values, pa.string()).slice(skipped)


TEXTS = st.one_of(st.none(), st.text(max_size=5), st.text(min_size=20, max_size=70))


def few(texts: list[str], numbers: list[int | None], skipped: int = 0) -> pa.DictionaryArray:
    """Return a column of few texts, which begin somewhere in their buffers, as do their numbers."""
    indices = pa.array(
        [0] * skipped + [None if number is None else number % len(texts) for number in numbers], pa.int32()
    )
    return pa.DictionaryArray.from_arrays(indices.slice(skipped), column(list(texts), skipped))


@st.composite
def parts_of_rows(draw: st.DrawFn) -> list[pa.Array | str]:
    rows = draw(st.integers(1, 40))
    columns = st.builds(column, st.lists(TEXTS, min_size=rows, max_size=rows), st.integers(0, 9))
    numbers = st.lists(st.none() | st.integers(0, 9), min_size=rows, max_size=rows)
    some = st.lists(TEXTS.filter(lambda text: text is not None), min_size=1, max_size=5)
    fews = st.builds(few, some, numbers, st.integers(0, 9))
    parts: list[pa.Array | str] = draw(st.lists(st.one_of(columns, fews, st.text(max_size=40)), max_size=8))
    return [*parts, draw(columns | fews)]


@given(parts_of_rows())
def test_rows_are_joined_as_arrow_joins_them(parts: list[pa.Array | str]) -> None:
    joined = join_rows(parts)
    joined.validate(full=True)
    spread_out = [part if isinstance(part, str) else spread(part) for part in parts]
    assert joined.to_pylist() == join(*spread_out, null_handling="replace").to_pylist()


def test_no_rows_are_joined_to_none() -> None:
    assert join_rows(["a", column([])]).to_pylist() == []


@given(st.lists(TEXTS.map(lambda text: text and text[:3])), st.booleans())
def test_any_text_is_a_plain_number_or_not(values: list[str | None], whole: bool) -> None:
    assert_plain_if_it_matches(values, whole)


@given(st.lists(st.one_of(st.none(), st.from_regex(r"-?[019]{0,3}(\.[09]{0,2})?", fullmatch=True))), st.booleans())
def test_what_looks_like_a_number_is_a_plain_number_or_not(values: list[str | None], whole: bool) -> None:
    assert_plain_if_it_matches(values, whole)


DAYS = st.dates().map(str) | st.from_regex(
    r"(0000|0001|1900|2000|2023|2024|9999|2O24)-[01][0-9]-[0-3][0-9]", fullmatch=True
)


@given(st.lists(st.none() | DAYS, min_size=1, max_size=3) | st.lists(TEXTS))
def test_what_is_a_date_is_known(values: list[str | None]) -> None:
    is_there = acceleration.strings is not None
    expected = bool(values) and all(value is None or is_day(value) for value in values)
    assert are_dates(column(values, skipped=2)) == (expected and is_there)


def is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def assert_plain_if_it_matches(values: list[str | None], whole: bool) -> None:
    pattern = r"0|-?[1-9][0-9]*" if whole else r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"
    expected = bool(values) and all(value is None or re.fullmatch(pattern, value) for value in values)
    is_there = acceleration.strings is not None
    assert are_plain_numbers(column(values, skipped=2), whole=whole) == (expected and is_there)


FLOATS = st.one_of(
    st.floats(),
    st.floats(1e-6, 1e11),
    st.integers(-(10**9), 10**9).map(lambda cents: cents * 0.01),
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    st.builds(lambda count, digits: count / 10**digits, st.integers(0, 10**17), st.integers(0, 22)),
    st.builds(lambda count, halvings: count / 2**halvings, st.integers(0, 2**53), st.integers(0, 70)),
)


@given(st.lists(st.none() | FLOATS, min_size=1), st.integers(0, 9))
def test_floats_are_written_as_arrow_writes_them(values: list[float | None], skipped: int) -> None:
    assert_written_as_arrow_does(pa.array([0.5] * skipped + values, pa.float64()).slice(skipped))


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1), st.integers(0, 9))
def test_integers_are_written_as_arrow_writes_them(values: list[int | None], skipped: int) -> None:
    assert_written_as_arrow_does(pa.array([7] * skipped + values, pa.int64()).slice(skipped))


def test_many_floats_are_written_as_arrow_writes_them() -> None:
    rng = Random(7)
    money = [rng.randrange(10**9) * 0.01 for _ in range(50_000)]
    beside_money = [math.nextafter(rng.randrange(10**9) / 100, rng.choice((0, math.inf))) for _ in range(50_000)]
    shares = [rng.random() * 10 ** rng.randrange(-7, 12) for _ in range(50_000)]
    powers = [2.0**exponent for exponent in range(-80, 80)]
    beside_powers = [math.nextafter(power, towards) for power in powers for towards in (0, math.inf)]
    dyadic = [rng.randrange(1 << 53) / 2 ** rng.randrange(70) for _ in range(50_000)]
    assert_written_as_arrow_does(pa.array([*money, *beside_money, *shares, *powers, *beside_powers, *dyadic]))


def test_usual_amounts_are_not_left_to_arrow(strings: ModuleType) -> None:
    amounts = pa.array([0.0, 12.0, 12.5, 12.34, -0.07, 1871.0900000000001, 0.123456789, 9_999_999_999.99])
    assert strings.number_texts(0, *amounts.buffers(), True, len(amounts))[2] is None


def assert_written_as_arrow_does(numbers: pa.Array) -> None:
    texts = number_texts(numbers)
    if texts is None:
        assert acceleration.strings is None
        return
    texts.validate(full=True)
    assert texts.to_pylist() == numbers.cast(pa.string()).to_pylist()


CHARACTERS = st.text(max_size=12) | st.text('ab"\\\x1f\x7f\x80é ', max_size=30)


@given(st.lists(st.none() | CHARACTERS), st.integers(0, 9))
def test_text_without_characters_to_escape_is_known(values: list[str | None], skipped: int) -> None:
    texts = [value for value in values if value is not None]
    stands = bool(values) and all(json.dumps(text, ensure_ascii=False)[1:-1] == text for text in texts)
    assert stands_as_it_is(column(values, skipped)) == (stands and acceleration.strings is not None)


NAMES = ["loan_id", "dpd", "naïve", "k"]


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.text(max_size=8),
            st.builds(
                lambda before, name, behind, upper: before + (name.upper() if upper else name.title()) + behind,
                st.text(AROUND_NAMES, max_size=2),
                st.sampled_from([*NAMES, "loan_ids", "dp", "\u212a"]),
                st.text(AROUND_NAMES, max_size=2),
                st.booleans(),
            ),
        )
    )
)
def test_no_name_is_overlooked(values: list[str | None]) -> None:
    is_there = any(value is not None and folded(value) in NAMES for value in values)
    may = may_hold(column(values, skipped=3), NAMES)
    assert may or not is_there
    if acceleration.strings and all(value is None or value.isascii() for value in values) and values:
        assert may == is_there


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
    with pytest.raises(ValueError, match="too small"):
        strings.may_hold(wrong, 2, [b"x"])


@pytest.mark.parametrize(
    "wrong",
    [
        (0, None, offsets(0), (0, None, offsets(0, 1), b"a"), 1),  # one number too few
        (1, None, offsets(0, 0), (0, None, offsets(0, 1), b"a"), 1),
        (-1, None, offsets(0, 0, 0), (0, None, offsets(0, 1), b"a"), 1),
        (0, b"", offsets(0, 0), (0, None, offsets(0, 1), b"a"), 1),
        (0, None, offsets(0, 0), (0, b"\xff", offsets(0, 1), b"a"), 1),  # a value that may be null
        (0, None, offsets(0, 0), (0, None, offsets(0, 1), b"a"), 2),
        (0, None, offsets(0, 0), (1, None, offsets(0, 1), b"a"), 1),
        (0, None, offsets(0, 0), (-1, None, offsets(0, 1), b"a"), 1),
        (0, None, offsets(0, 0), (0, None, offsets(0, 1), b"a"), -1),
        (0, None, offsets(0, 0), (2**31, None, offsets(0, 1), b"a"), 1),
    ],
)
def test_buffers_of_few_values_that_are_too_small_are_refused(strings: ModuleType, wrong: object) -> None:
    with pytest.raises(ValueError, match="too small"):
        strings.join_rows([b"x", wrong], 2)


@pytest.mark.parametrize("numbers", [(0, 2), (-1, 0), (2**31 - 1, 0)])
def test_numbers_of_no_value_are_refused(strings: ModuleType, numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not within"):
        strings.join_rows([(0, None, offsets(*numbers), (0, None, offsets(0, 1, 2), b"ab"), 2)], 2)
    assert strings.join_rows([(0, b"\x00", offsets(*numbers), (0, None, offsets(0, 1, 2), b"ab"), 2), b"x"], 2)


@pytest.mark.parametrize(("skipped", "valid", "rows"), [(1, None, 2), (0, b"", 2), (-1, None, 1), (2**62, None, 1)])
def test_numbers_that_are_not_there_are_refused(
    strings: ModuleType, skipped: int, valid: bytes | None, rows: int
) -> None:
    with pytest.raises(ValueError, match="too small"):
        strings.number_texts(skipped, valid, bytes(16), False, rows)


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
        assert acceleration.strings.are_dates(part, rows) in (True, False)
        assert acceleration.strings.may_hold(part, rows, [b"1", b""]) in (True, False)
        assert acceleration.strings.stands_as_it_is(part, rows) in (True, False)
        coded = (0, valid, offsets(*bounds), (skipped, None, *part[2:]), rows)
        try:
            ends, joined = acceleration.strings.join_rows([coded], rows)
        except ValueError:
            continue
        assert struct.unpack_from("=i", ends, 4 * rows) == (len(joined),)


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
    with pytest.raises(ValueError, match="there must be rows"):
        strings.may_hold((0, None, offsets(0, 0), b""), rows, [])
    with pytest.raises(ValueError, match="there must be rows"):
        strings.number_texts(0, None, b"", True, rows)


def test_rows_of_more_than_two_gigabytes_are_left_to_arrow(strings: ModuleType) -> None:
    with pytest.raises(OverflowError):
        strings.join_rows([b"x" * (1 << 20)], 1 << 12)
