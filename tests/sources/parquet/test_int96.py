"""Moments of 96 bits are exact at any depth, in all years, beside moments of 64 bits that look the same to Arrow."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sources.tables import read_file

FAR = [datetime(9999, 12, 31), datetime(1, 1, 1), None, datetime(2300, 6, 1, 1, 2, 3, 4), datetime(2026, 1, 1)]
TEXTS = [
    "9999-12-31T00:00:00",
    "0001-01-01T00:00:00",
    None,
    "2300-06-01T01:02:03.000004000",
    "2026-01-01T00:00:00",
]
MOMENT = pa.timestamp("us")


def values_read(folder: Path, columns: dict[str, pa.Array], **options: Any) -> list[Any]:
    path = folder / "source.parquet"
    ids = [str(number) for number in range(len(next(iter(columns.values()))))]
    pq.write_table(pa.table({"id": ids, **columns}), path, use_deprecated_int96_timestamps=True, **options)
    found = read_file(path, nulls="send")
    assert not found.refusals
    return found.data


@pytest.mark.parametrize(
    ("type_", "wrap"),
    [
        (pa.list_(MOMENT), lambda value: [value, None]),
        (pa.large_list(MOMENT), lambda value: [value]),
        (pa.list_(MOMENT, 2), lambda value: [value, value]),
        (pa.list_view(MOMENT), lambda value: [value]),
        (pa.struct([("at", MOMENT), ("n", pa.int64())]), lambda value: {"at": value, "n": 1}),
        (pa.map_(pa.string(), MOMENT), lambda value: {"k": value, "l": None}),
        (
            pa.list_(pa.struct([("all", pa.list_(MOMENT))])),
            lambda value: [{"all": []}, {"all": [value]}, {"all": None}],
        ),
    ],
)
def test_they_are_exact_inside_other_values(tmp_path: Path, type_: pa.DataType, wrap: Any) -> None:
    def wrapped(moments: list[Any], *, as_items: bool) -> list[Any]:
        """Values of this type; in every other row null."""
        values = [wrap(moment) for moment in moments]
        values = [list(value.items()) if as_items and pa.types.is_map(type_) else value for value in values]
        return [value for each in values for value in (each, None)]

    found = values_read(tmp_path, {"v": pa.array(wrapped(FAR, as_items=True), type_)})
    assert [data["v"] for data in found] == wrapped(TEXTS, as_items=False)


def test_moments_of_64_bits_beside_them_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "source.parquet"
    far = pa.array([datetime(9999, 12, 31)], MOMENT)
    pq.write_table(pa.table({"id": ["1"], "b.c": far, "b": [{"c": datetime(2026, 1, 1)}], "t": far}), path)
    assert "int96" not in str(pq.ParquetFile(path).schema)
    assert read_file(path).data == [
        {"b.c": "9999-12-31T00:00:00", "b": {"c": "2026-01-01T00:00:00"}, "t": "9999-12-31T00:00:00"}
    ]


def test_row_groups_with_and_without_far_moments_come_together(tmp_path: Path) -> None:
    found = values_read(tmp_path, {"v": pa.array(FAR, MOMENT), "n": pa.array(range(5))}, row_group_size=1)
    assert found == [{"v": text, "n": number} for number, text in enumerate(TEXTS)]


def test_years_beyond_9999_are_invalid(tmp_path: Path) -> None:
    path = tmp_path / "source.parquet"
    at = pa.array([317_000_000_000_000_000, 0, -(10**17)], MOMENT)
    pq.write_table(pa.table({"id": ["1", "2", "3"], "at": at}), path, use_deprecated_int96_timestamps=True)
    found = read_file(path)
    assert found.data == [{"at": "1970-01-01T00:00:00"}]
    assert found.reasons == [(row, "column 'at' is not a date in the years 0 to 9999") for row in (1, 3)]
