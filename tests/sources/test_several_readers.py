"""However many threads read a file of columns, what comes of it is the same, in the same order, and so is its end."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from engine.sources.csv import table
from engine.sources.files import open_source
from engine.sources.parquet import batches
from engine.sources.spec import SourceSpec
from engine.sources.stored.ahead import READERS_VARIABLE
from engine.values import Block
from engine.values.errors import SourceUntrusted

ROWS = 30_000


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PIECE_BYTES", 20_000)
    monkeypatch.setattr(batches, "BATCH_ROWS_MAX", 500)


def odd_csv(path: Path) -> None:
    """Write a file of which some pieces hold refusals, doubled quotes, or cells of several lines."""
    rows = [f"LN{number:06},{number % 97},name {number}" for number in range(ROWS)]
    for number in range(0, ROWS, 2_011):
        rows[number] = f"LN{number:06},many,name"
    for number in range(5_000, 8_000, 7):
        rows[number] = f'LN{number:06},1,"a ""name"" of\ntwo lines"'
    rows[9_999] = "LN009999,1"
    path.write_text("\n".join(["id,dpd,name", *rows, ""]))


def odd_parquet(path: Path) -> None:
    """Write a file of which some rows have no id, or a value that is no number."""
    ids = [None if number % 2_011 == 0 else f"LN{number:06}" for number in range(ROWS)]
    risks = [float("nan") if number % 1_999 == 0 else number / 7 for number in range(ROWS)]
    pq.write_table(
        pa.table({"id": ids, "risk": risks, "dpd": [n % 97 for n in range(ROWS)]}), path, row_group_size=3_000
    )


FILES: dict[str, Callable[[Path], None]] = {"odd.csv": odd_csv, "odd.parquet": odd_parquet}


def spec_of(path: Path) -> SourceSpec:
    return SourceSpec((str(path),), id="id", types={"dpd": "integer"} if ".csv" in path.name else {})


def blocks_of(path: Path) -> list[Block]:
    return list(open_source(spec_of(path), batch_size=1_000).blocks())


@pytest.mark.parametrize("name", FILES)
def test_blocks_and_refusals_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    FILES[name](path)
    monkeypatch.setenv(READERS_VARIABLE, "1")
    with_one = blocks_of(path)
    assert sum(len(block.refusals) for block in with_one) > 10
    assert len(with_one) >= ROWS // 1_000
    for count in ("2", "4", "9"):
        monkeypatch.setenv(READERS_VARIABLE, count)
        assert blocks_of(path) == with_one


@pytest.mark.parametrize("readers", ["1", "4"])
@pytest.mark.parametrize("name", FILES)
def test_everything_before_damage_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, readers: str
) -> None:
    path = tmp_path / name
    FILES[name](path)
    whole = b"\n".join(block.lines for block in blocks_of(path) if block.lines)
    content = path.read_bytes()
    if path.suffix == ".csv":
        path = path.with_name("odd.csv.gz")
        path.write_bytes(gzip.compress(content, mtime=0)[:-20_000])
    else:
        start = pq.read_metadata(path).row_group(6).column(1).data_page_offset
        path.write_bytes(content[: start + 40] + bytes(400) + content[start + 440 :])
    monkeypatch.setenv(READERS_VARIABLE, readers)
    before = {*threading.enumerate()}
    seen: list[bytes] = []
    with pytest.raises(SourceUntrusted, match="damaged"):
        seen.extend(block.lines for block in open_source(spec_of(path), batch_size=1_000).blocks() if block.lines)
    assert {*threading.enumerate()} <= before
    text = b"\n".join(seen)
    assert whole.startswith(text)
    assert text.count(b"\n") > 17_000


@pytest.mark.parametrize("name", FILES)
def test_who_reads_no_further_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    FILES[name](path)
    monkeypatch.setenv(READERS_VARIABLE, "4")
    before = {*threading.enumerate()}
    blocks = open_source(spec_of(path), batch_size=1_000).blocks()
    next(blocks)
    assert {*threading.enumerate()} - before
    del blocks
    assert {*threading.enumerate()} <= before


def test_bytes_that_are_not_utf8_do_not_matter_where_they_are_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"id,name,city\nLN1,Ravi,M\xfcnchen\nLN2,Asha,Pune\n")
    [block] = open_source(SourceSpec((str(path),), id="id", fields=("name",))).blocks()
    assert block.lines == b'{"id":"LN1","data":{"name":"Ravi"}}\n{"id":"LN2","data":{"name":"Asha"}}'
    assert block.refusals == []
    path.write_bytes(b"id,name,city\nLN1,Ravi,Pune\nLN2,Ren\xe9,Pune\n")
    [block] = open_source(SourceSpec((str(path),), id="id", fields=("name",))).blocks()
    assert [refusal.place.row for refusal in block.refusals] == [2]
