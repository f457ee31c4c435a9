"""Columns of text that hold few values are read as numbers of these, and come out as any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.sources.files import open_source
from engine.sources.parquet import opened
from engine.sources.parquet.few_texts import few_texts
from engine.sources.spec import SourceSpec
from engine.values import Refusal

ROWS = 34_000

WORDS = ['due "now"', "paid", "a\\b\n", "नमस्ते", ""]
NOT_UTF8 = b"\xffpaid"


def repeated(values: list[Any], rows: int = ROWS) -> list[Any]:
    return [values[row * 7919 // 3 % len(values)] for row in range(rows)]


def raw_text(values: list[bytes | None]) -> pa.StringArray:
    """Return bytes as a column of text, whatever they are."""
    return pa.array(values, pa.binary()).view(pa.string())


COLUMNS: dict[str, pa.Array] = {
    "few": pa.array(repeated(WORDS)),
    "few and nulls": pa.array(repeated([*WORDS, None])),
    "few, then many": pa.array(repeated(WORDS, 17_000) + [f"remark {row}" for row in range(ROWS - 17_000)]),
    "few, then others": pa.array([f"word {row // 4_000}" for row in range(ROWS)]),
    "many": pa.array([f"text {row}" for row in range(ROWS)]),
    "nulls": pa.array([None] * ROWS, pa.string()),
    "not all UTF-8": raw_text(repeated([b"due", b"paid", NOT_UTF8, b"overdue", None])),
    "few.with.dots": pa.array(repeated(WORDS)),
    "numbers": pa.array(range(ROWS)),
}


def written(folder: Path, columns: dict[str, pa.Array] = COLUMNS, row_group_size: int = ROWS) -> Path:
    path = folder / "source.parquet"
    table = pa.table({"id": [f"L{row}" for row in range(ROWS)], **columns})
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def read(path: Path, id: str = "id", **mapping: Any) -> tuple[bytes, list[Refusal]]:
    """Return all lines and refusals of a file."""
    source = open_source(SourceSpec((str(path),), id=id, **mapping), batch_size=10_000, record_bytes_max=1_000)
    blocks = list(source.blocks())
    lines = b"\n".join(block.lines for block in blocks if block.lines)
    return lines, [refusal for block in blocks for refusal in block.refusals]


def test_a_file_shows_which_columns_hold_few_texts(tmp_path: Path) -> None:
    table = pq.ParquetFile(written(tmp_path))
    found = few_texts(table, ["id", *COLUMNS])
    assert found == ["few", "few and nulls", "few, then others", "nulls", "not all UTF-8"]
    assert few_texts(table, ["id", "numbers", "many", "few"]) == ["few"]
    assert few_texts(table, ["numbers"]) == []


def test_small_row_groups_are_read_as_they_are(tmp_path: Path) -> None:
    assert few_texts(pq.ParquetFile(written(tmp_path, row_group_size=10_000)), ["few"]) == []


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"nulls": "send"},
        {"where": {"few and nulls": ("paid", "")}},
        {"null_values": ("paid",)},
        {"fields": ("few", "nulls")},
        {"types": {"few": "string"}},
        {"id": "few"},
    ],
    ids=lambda mapping: next(iter(mapping), "as it is"),
)
@pytest.mark.parametrize("row_group_size", [ROWS, 33_000])
def test_rows_come_out_as_if_each_text_stood_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapping: dict[str, Any], row_group_size: int
) -> None:
    path = written(tmp_path, row_group_size=row_group_size)
    asked: list[list[str]] = []

    def few(*given: Any) -> list[str]:
        asked.append(few_texts(*given))
        return asked[-1]

    monkeypatch.setattr(opened, "few_texts", few)
    lines, refusals = read(path, **mapping)
    monkeypatch.setattr(opened, "few_texts", lambda *_: [])
    assert "few" in asked[0]
    assert (lines, refusals) == read(path, **mapping)
    if not mapping:
        assert len(refusals) == COLUMNS["not all UTF-8"].view(pa.binary()).to_pylist().count(NOT_UTF8) > 0
        assert {refusal.reason for refusal in refusals} == {"column 'not all UTF-8' is not valid UTF-8"}
        assert lines.count(b"\n") + 1 + len(refusals) == ROWS


def test_texts_that_turn_out_to_be_many_in_a_later_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.array(["same"] * (ROWS - 100) + [f"other {row}" for row in range(100)])
    path = written(tmp_path, {"few": texts}, row_group_size=ROWS - 100)
    assert few_texts(pq.ParquetFile(path), ["few"]) == ["few"]
    found = read(path)
    monkeypatch.setattr(opened, "few_texts", lambda *_: [])
    assert found == read(path)
