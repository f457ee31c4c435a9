"""The benchmarks' inputs are what they are called, and the usual script makes of them what the engine makes of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.inputs import KINDS, Kind, kinds_named, records_kept, write
from benchmarks.peers.reading import record_chunks
from engine.sources.files import open_source
from engine.sources.spec import SourceSpec

RECORDS = 300

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def file_of(kind: Kind, directory: Path, *, sorted_ids: bool = False) -> Path:
    path = directory / f"portfolio{kind.suffix}"
    write(path, RECORDS, sorted_ids=sorted_ids)
    return path


def lines_of(name: str, directory: Path) -> list[bytes]:
    return file_of(KINDS[name], directory).read_bytes().splitlines()


@every_kind
def test_the_usual_script_does_the_engine_s_job(kind: Kind, tmp_path: Path) -> None:
    path = file_of(kind, tmp_path)
    blocks = list(open_source(SourceSpec((str(path),), **kind.source)).blocks())
    assert not any(block.refusals for block in blocks)
    engine_s = [json.loads(line) for block in blocks for line in block.lines.split(b"\n")]
    script_s = [record for chunk in record_chunks(kind.name, str(path), 100) for record in chunk]
    assert engine_s == json.loads(json.dumps(script_s, default=str))
    assert len(engine_s) == records_kept(kind.name, RECORDS)


@every_kind
@pytest.mark.parametrize("sorted_ids", [False, True])
def test_all_ids_differ_and_are_in_order_if_they_shall(kind: Kind, sorted_ids: bool, tmp_path: Path) -> None:
    path = file_of(kind, tmp_path, sorted_ids=sorted_ids)
    ids = [record["id"] for [record] in record_chunks(kind.name, str(path), 1)]
    assert len(set(ids)) == records_kept(kind.name, RECORDS)
    in_order = sorted(ids, key=lambda text: int(text.removeprefix("LN")))
    assert (ids == in_order) is sorted_ids


@every_kind
def test_a_file_is_the_same_each_time_it_is_made(kind: Kind, tmp_path: Path) -> None:
    assert file_of(kind, tmp_path).read_bytes() == file_of(kind, tmp_path).read_bytes()


def test_gzip_is_the_same_text(tmp_path: Path) -> None:
    packed = file_of(KINDS["ndjson.gz"], tmp_path)
    assert gzip.decompress(packed.read_bytes()).splitlines() == lines_of("ndjson", tmp_path)


def test_a_fifth_of_three_columns_is_null_in_parquet(tmp_path: Path) -> None:
    path = file_of(KINDS["parquet-nulls"], tmp_path)
    [records] = record_chunks("parquet-nulls", str(path), RECORDS)
    assert 0 < sum(len(record["data"]) == 7 for record in records) < RECORDS


@pytest.mark.parametrize(("name", "place"), [("flat-id-first", 0), ("flat-id-second", 1), ("flat-id-last", 7)])
def test_the_id_is_where_the_kind_says(name: str, place: int, tmp_path: Path) -> None:
    assert {list(json.loads(line)).index("loan_id") for line in lines_of(name, tmp_path)} == {place}


@pytest.mark.parametrize(
    ("name", "holds", "least", "most"),
    [
        ("flat-few-nulls", lambda row: None in row.values(), 0.06, 0.18),  # of six values 2 % each
        ("flat-many-nulls", lambda row: None in row.values(), 0.85, 0.97),
        ("flat-null-words", lambda row: {"N/A", "-"} & set(map(str, row.values())), 0.06, 0.18),
        ("flat-gaps", lambda row: len(row) < 8, 0.10, 0.30),
        ("flat-gaps", lambda row: {"remarks", "agent"} & row.keys(), 0.01, 0.10),
        ("flat-integer-ids", lambda row: isinstance(row["loan_id"], int), 1, 1),
        ("flat-non-ascii", lambda row: not row["name"].isascii(), 0.5, 0.9),
        ("flat-where", lambda row: row["payment_status"] in ("due", "overdue"), 0.5, 0.5),
    ],
)
def test_what_is_special_is_as_frequent_as_it_should_be(
    name: str, holds: Callable[[dict[str, Any]], object], least: float, most: float, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in lines_of(name, tmp_path)]
    assert least <= sum(bool(holds(row)) for row in rows) / len(rows) <= most


def test_lines_are_written_as_their_writers_would(tmp_path: Path) -> None:
    assert all(line == json.dumps(json.loads(line)).encode() for line in lines_of("flat-spaced", tmp_path))
    names, escaped = (lines_of(name, tmp_path) for name in ("flat-non-ascii", "flat-escaped"))
    assert not all(line.isascii() for line in names)
    assert all(line.isascii() for line in escaped)
    assert [json.loads(line) for line in names] == [json.loads(line) for line in escaped]


def test_a_group_is_many_kinds() -> None:
    flat = kinds_named("flat")
    assert {"flat-id-first", "flat-where"} <= set(flat)
    assert "ndjson" not in flat
    assert kinds_named("flat-gaps,flat,ndjson") == [
        "flat-gaps",
        *(kind for kind in flat if kind != "flat-gaps"),
        "ndjson",
    ]
    with pytest.raises(SystemExit, match="xml: there are ndjson"):
        kinds_named("ndjson,xml")
