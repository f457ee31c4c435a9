"""The accelerator of CSV splits text as CSV means it, or declines."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import xxhash
from hypothesis import example, given, strategies as st

from engine.sources.csv import acceleration
from engine.sources.csv.acceleration import SOURCE_DIGEST, split_cells

SOURCE = Path(acceleration.__file__).with_name("_cells.c")


@pytest.fixture
def cells() -> ModuleType:
    if acceleration.cells is None:
        pytest.skip("the accelerator is not there")
    return acceleration.cells


def test_the_binary_is_used_only_beside_its_own_source() -> None:
    lines = SOURCE.read_bytes().splitlines(keepends=True)
    without = b"".join(line for line in lines if not line.startswith(b"#define SOURCE_DIGEST"))
    digest = xxhash.xxh3_128_hexdigest(without)
    assert f'#define SOURCE_DIGEST "{digest}"\n'.encode() in lines, (
        f"_cells.c has changed: its SOURCE_DIGEST must be {digest}"
    )
    assert digest == SOURCE_DIGEST, "acceleration.py must say the same"


def simply_split(text: str, columns: int) -> list[list[str]] | None:
    """Return the rows of text without quotes; None if their cells are not as many, or a line end is unusual."""
    lines = text.replace("\r\n", "\n")
    rows = [line.split(",") for line in lines.split("\n") if line]
    return None if "\r" in lines or any(len(row) != columns for row in rows) else rows


CELLS = st.text("ab1 ", max_size=3) | st.text("xyz", min_size=30, max_size=70) | st.just("ü")
TEXTS = st.one_of(
    st.text("a,\n\r", max_size=40),
    st.builds(
        lambda rows, line_end, is_ended: line_end.join(map(",".join, rows)) + line_end * is_ended,
        st.integers(1, 4).flatmap(lambda count: st.lists(st.lists(CELLS, min_size=count, max_size=count), max_size=20)),
        st.sampled_from(["\n", "\r\n", "\n\n"]),
        st.booleans(),
    ),
)


@given(TEXTS, st.integers(1, 4), st.text("a,\n", max_size=5))
@example("", 1, "")
@example("a,b\n,\n\nc,d\r\n\r\n,e", 2, "\n")
@example("a\r", 1, "")
@example("a\r", 1, "\n")
def test_text_without_quotes_is_split_at_its_marks(text: str, columns: int, behind: str) -> None:
    data = text.encode()
    found = split_cells(data + behind.encode(), len(data), b",", columns, range(columns))
    rows = simply_split(text, columns)
    if acceleration.cells is None or rows is None or columns > len(data) + 1:
        assert found is None
        return
    assert found is not None
    for column in found:
        column.validate(full=True)
    assert [column.to_pylist() for column in found] == [
        [row[column] or None for row in rows] for column in range(columns)
    ]


def test_only_wanted_columns_are_made(cells: ModuleType) -> None:
    found = split_cells(b"a;b;c\nd;;f", 10, b";", 3, [2, 1])
    assert found is not None
    assert [column.to_pylist() for column in found] == [["c", "f"], ["b", None]]


@pytest.mark.parametrize(
    ("size", "delimiter", "columns", "wanted"),
    [
        (4, 44, 1, []),
        (-1, 44, 1, []),
        (3, 128, 1, []),
        (3, -1, 1, []),
        (3, 44, 0, []),
        (3, 44, 2, [2]),
        (3, 44, 2, [-1]),
    ],
)
def test_what_cannot_be_is_refused(
    cells: ModuleType, size: int, delimiter: int, columns: int, wanted: list[int]
) -> None:
    with pytest.raises(ValueError, match="there is no"):
        cells.split(b"a,b", size, delimiter, columns, wanted)


def test_a_column_has_a_number(cells: ModuleType) -> None:
    with pytest.raises(TypeError):
        cells.split(b"a,b", 3, 44, 2, ["0"])


def test_more_columns_than_bytes_are_declined(cells: ModuleType) -> None:
    assert cells.split(b"a,b\n" * 1_000, 4_000, 44, 2**31 - 1, []) is None
    assert cells.split(b"," * 1_000, 1_000, 44, 1_000, []) is None
    assert cells.split(b"," * 1_000, 1_000, 44, 1_001, [0, 1_000])[0] == 1
