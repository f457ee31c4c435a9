"""Columns of few values come out as if each value had been converted by itself, and are converted once each."""

from __future__ import annotations

import math
import random
from datetime import date, datetime, time

import pyarrow as pa
import pytest

from engine.sources.columns.column_text import JsonText
from engine.sources.columns.repeated import PAYS_FROM, each_once
from engine.sources.columns.to_json import to_json

FEW = {
    "doubles": pa.array([0.1, -0.0, 0.0, 1e300, 1871.0900000000001, None], pa.float64()),
    "doubles that are no numbers": pa.array([0.5, math.nan, math.inf, None], pa.float64()),
    "floats": pa.array([0.1, -0.0, 0.0, 3.5], pa.float32()),
    "halves": pa.array([0.5, None, 2.0], pa.float16()),
    "dates": pa.array([date(2026, 11, 5), date(1, 1, 1), None], pa.date32()),
    "dates that no calendar has": pa.array([0, 2**31 - 1, -(2**31), None], pa.int32()).cast(pa.date32()),
    "dates in milliseconds": pa.array([0, 86_400_000, 1, None], pa.int64()).view(pa.date64()),
    "moments": pa.array([datetime(2026, 11, 5, 10, 0, 0, 1), datetime(1600, 1, 1), None], pa.timestamp("us")),
    "moments of a zone": pa.array([0, 10**18, None], pa.int64()).cast(pa.timestamp("ns", "Asia/Kolkata")),
    "times": pa.array([time(10), time(23, 59, 59, 5), None], pa.time64("us")),
}


def drawn_from(values: pa.Array, rows: int) -> pa.Array:
    some = random.Random(7)
    return values.take(pa.array([some.randrange(len(values)) for _ in range(rows)]))


def one_by_one(array: pa.Array) -> list[tuple[str | None, bool]]:
    return [row for index in range(len(array)) for row in told(to_json(array.slice(index, 1)))]


def told(found: JsonText) -> list[tuple[str | None, bool]]:
    misfits = [False] * len(found.text) if found.misfits is None else found.misfits.to_pylist()
    return list(zip(found.text.to_pylist(), misfits, strict=True))


@pytest.mark.parametrize("kind", FEW)
def test_few_values_that_come_again_and_again(kind: str) -> None:
    column = drawn_from(FEW[kind], PAYS_FROM + 100)
    for array in (column, column.slice(3)):
        found = to_json(array)
        assert told(found) == one_by_one(array)
        assert found._replace(text=None, misfits=None) == to_json(FEW[kind])._replace(text=None, misfits=None)


def test_values_that_turn_out_to_be_many_behind_few() -> None:
    column = pa.concat_arrays([drawn_from(FEW["doubles"], 300), pa.array([n / 7 for n in range(PAYS_FROM)])])
    assert told(to_json(column)) == one_by_one(column)


@pytest.mark.parametrize(("different", "converted"), [(3, 3), (PAYS_FROM, PAYS_FROM)])
def test_each_of_few_values_is_converted_once_and_many_are_converted_as_they_are(
    different: int, converted: int
) -> None:
    seen: list[int] = []

    def convert(array: pa.Array) -> JsonText:
        seen.append(len(array))
        return JsonText(array.cast(pa.string()), quoted=False)

    each_once(convert)(pa.array([n % different for n in range(PAYS_FROM)], pa.int64()))
    assert seen == [converted]
