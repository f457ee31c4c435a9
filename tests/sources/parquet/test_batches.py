"""Batches are neither large nor tiny, and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.sources.parquet import batches
from engine.sources.parquet.batches import RowsInStep, batch_rows, even
from engine.values.errors import SourceUntrusted


def of_rows(*counts: int) -> Iterator[pa.RecordBatch]:
    """Batches of so many rows, numbered from 0."""
    first = 0
    for count in counts:
        yield pa.record_batch({"n": pa.array(range(first, first + count))})
        first += count


def numbers(found: Iterator[pa.RecordBatch]) -> list[list[int]]:
    return [batch.column("n").to_pylist() for batch in found]


def test_small_ones_are_put_together() -> None:
    assert numbers(even(of_rows(1, 2, 1, 4, 5), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11, 12]]


def test_all_before_damage_is_yielded() -> None:
    def damaged() -> Iterator[pa.RecordBatch]:
        yield from of_rows(1, 1)
        raise SourceUntrusted("damaged")

    found = even(damaged(), 10)
    assert numbers(iter([next(found)])) == [[0, 1]]
    with pytest.raises(SourceUntrusted):
        next(found)


def test_batches_of_different_types_stay_apart() -> None:
    some, others = pa.record_batch({"n": [1]}), pa.record_batch({"n": ["a"]})
    assert numbers(even(iter([some, some, others]), 10)) == [[1, 1], ["a"]]


def test_text_in_a_dictionary_counts_as_often_as_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_DECODED_BYTES_MAX", 10_000)
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 60 + [None] * 4, pa.int32()), pa.array(["x" * 1_000]))
    found = list(even(iter([pa.record_batch({"n": texts})]), 100))
    assert sum(map(len, found)) == 64
    assert max(map(len, found[:4])) <= 8


def test_many_columns_of_which_a_file_holds_little_are_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    always_the_same = pa.array([7] * 5_000)
    path = tmp_path / "wide.parquet"
    for columns, most in ((2, batches.BATCH_ROWS_MAX), (1_000, 1_048)):
        pq.write_table(pa.table({f"c{number}": always_the_same for number in range(columns)}), path)
        assert batch_rows(pq.ParquetFile(path)) == most


def test_rows_are_taken_in_any_number() -> None:
    rows = RowsInStep(of_rows(3, 1, 4))
    assert numbers(iter([rows.take(2), rows.take(5), rows.take(1)])) == [[0, 1], [2, 3, 4, 5, 6], [7]]
    with pytest.raises(OSError, match="missing"):
        rows.take(1)
