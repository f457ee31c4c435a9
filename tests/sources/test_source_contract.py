"""What every source must do, wherever its records come from. Another kind of source is another entry in `KINDS`."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet as pq

from engine.outlets.displays import NoProgress
from engine.run.jobs.replay import RejectFile
from engine.run.partitioned.parts import PartsSource, write_part
from engine.sources.arrow.source import ArrowSource
from engine.sources.files import open_source
from engine.sources.pairs import PairsSource
from engine.sources.protocol import Source
from engine.sources.spec import SourceSpec
from engine.state.journal import Undelivered, id_digest
from engine.values import Block, Outcome, place_of

BLOCK_RECORDS = 7
Row = dict[str, str | None]

ROWS: list[Row] = [
    {"id": f"LN{i:04}", "name": name, "emi": f"{i}.50", "note": None if i % 3 else 'said "yes", \\ and\tno'}
    for i, name in enumerate(["Asha", "आशा", "O'Neill", "x\ny", "Zoë", "🎉", "a,b;c|d", "null"] * 5)
]
SECRET = "top-secret-value"
"""Stands in a record: nothing that a message shows may hold it."""
ROWS[3]["name"] = SECRET


@dataclass(frozen=True)
class Kind:
    """A kind of source: how a test makes one of some rows, and what it can do."""

    make: Callable[[Path, Sequence[Row]], Source]
    has_size: bool = True
    can_be_read_twice: bool = True
    has_digests: bool = True


def canonical(rows: Sequence[Row]) -> bytes:
    records = [{"id": row["id"], "data": {key: row[key] for key in row if key != "id"}} for row in rows]
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def flat(rows: Sequence[Row]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\r\n" for row in rows)


def delimited(delimiter: str) -> Callable[[Sequence[Row]], bytes]:
    def written(rows: Sequence[Row]) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    return written


def parquet(rows: Sequence[Row]) -> bytes:
    written = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows)), written, row_group_size=11)
    return bytes(written.getvalue().to_pybytes())


def file(name: str, content: Callable[[Sequence[Row]], bytes], *, id: str | None = "id", **spec: Any) -> Kind:
    def make(folder: Path, rows: Sequence[Row]) -> Source:
        (folder / name).write_bytes(content(rows))
        return open_source(SourceSpec((str(folder / name),), id=id, nulls="send", **spec), batch_size=BLOCK_RECORDS)

    return Kind(make)


def some_files(folder: Path, rows: Sequence[Row]) -> Source:
    for number in range(3):
        part = rows[number * len(rows) // 3 : (number + 1) * len(rows) // 3]
        (folder / f"part-{number}.csv.gz").write_bytes(gzip.compress(delimited(",")(part), mtime=0))
    return open_source(SourceSpec((str(folder / "part-*"),), id="id", nulls="send"), batch_size=BLOCK_RECORDS)


def standard_input(_: Path, rows: Sequence[Row]) -> Source:
    spec = SourceSpec(("-",), format="ndjson")
    return open_source(spec, batch_size=BLOCK_RECORDS, stdin=io.BytesIO(gzip.compress(canonical(rows), mtime=0)))


def as_pairs(rows: Sequence[Row]) -> Iterator[tuple[str | None, Row]]:
    return ((row["id"], {key: row[key] for key in row if key != "id"}) for row in rows)


def pairs(_: Path, rows: Sequence[Row]) -> Source:
    return PairsSource(as_pairs(rows), BLOCK_RECORDS)


def async_pairs(_: Path, rows: Sequence[Row]) -> Source:
    async def given() -> AsyncIterator[Any]:
        for pair in as_pairs(rows):
            yield pair

    return PairsSource(given(), BLOCK_RECORDS)


def table(_: Path, rows: Sequence[Row]) -> Source:
    return arrow(pa.Table.from_pylist(list(rows)))


def async_batches(_: Path, rows: Sequence[Row]) -> Source:
    async def given() -> AsyncIterator[Any]:
        for batch in pa.Table.from_pylist(list(rows)).to_batches(max_chunksize=3):
            yield batch

    return arrow(given())


def parts(folder: Path, rows: Sequence[Row]) -> Source:
    sources = [arrow(pa.Table.from_pylist(list(some)), "2 partitions") for some in (rows[:9], rows[9:])]
    return PartsSource(folder, [write_part(each.blocks(), folder / f"{n}", n) for n, each in enumerate(sources)])


def arrow(records: Any, label: str = "records") -> Source:
    spec = SourceSpec((), id="id", nulls="send")
    return ArrowSource(records, spec, batch_size=BLOCK_RECORDS, record_bytes_max=8_000_000, label=label)


def reject_file(folder: Path, rows: Sequence[Row]) -> Source:
    path = folder / "rejected.ndjson"
    tail = {"outcome": Outcome.REJECTED, "reason": "no such loan", "http_status": 207}
    lines = [json.dumps({**json.loads(line), **tail}) for line in canonical(rows).splitlines()]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    first = {("camp", id_digest(row["id"] or "")): 0 for row in rows}
    return RejectFile(path, Undelivered("camp", path.stat().st_size, first), BLOCK_RECORDS, NoProgress())


KINDS: dict[str, Kind] = {
    "ndjson": file("source.ndjson", canonical, id=None),
    "ndjson.gz": file("source.ndjson.gz", lambda rows: gzip.compress(canonical(rows), mtime=0), id=None),
    "flat ndjson.zst": file("source.jsonl.zst", lambda rows: zstandard.compress(flat(rows))),
    "csv": file("source.csv", delimited(",")),
    "tsv.gz": file("source.tsv.gz", lambda rows: gzip.compress(delimited("\t")(rows), mtime=0), quote='"'),
    "parquet": file("source.parquet", parquet),
    "some files": Kind(some_files),
    "standard input": Kind(standard_input, has_size=False, can_be_read_twice=False),
    "pairs": Kind(pairs, has_size=False, can_be_read_twice=False),
    "async pairs": Kind(async_pairs, has_size=False, can_be_read_twice=False),
    "a table": Kind(table, has_size=False, can_be_read_twice=False),
    "async batches": Kind(async_batches, has_size=False, can_be_read_twice=False),
    "parts of a cluster's job": Kind(parts, has_size=False, can_be_read_twice=False),
    "reject file": Kind(reject_file, has_digests=False),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(params=[name for name, kind in KINDS.items() if kind.can_be_read_twice])
def lasting(request: pytest.FixtureRequest) -> Kind:
    """A kind that can be read twice."""
    return KINDS[request.param]


async def read(source: Source) -> list[Block]:
    """Read a source as the engine does, in a thread."""
    return await asyncio.to_thread(lambda: list(source.blocks()))


async def test_blocks_are_whole_and_well_formed(kind: Kind, tmp_path: Path) -> None:
    source = kind.make(tmp_path, ROWS)
    for block in await read(source):
        lines = block.lines.decode().split("\n") if block.ids else []
        assert len(lines) == len(block.ids) == sum(span.count for span in block.spans) <= BLOCK_RECORDS
        assert bool(block.lines) == bool(block.ids)
        for id_, line in zip(block.ids, lines, strict=True):
            record = json.loads(line)
            assert list(record) == ["id", "data"]
            assert record["id"] == id_ != ""
            assert record["data"]
        for index in range(len(block.ids)):
            place = place_of(block.spans, index)
            assert place.row >= 1
            assert place.path in (source.paths or (source.label,))


async def test_each_record_comes_once_in_its_order_with_all_its_values(kind: Kind, tmp_path: Path) -> None:
    blocks = await read(kind.make(tmp_path, ROWS))
    lines = [line for block in blocks if block.ids for line in block.lines.split(b"\n")]
    assert [json.loads(line) for line in lines] == [json.loads(line) for line in canonical(ROWS).splitlines()]
    assert not [refusal for block in blocks for refusal in block.refusals]


async def test_what_is_read_adds_up_to_the_size(kind: Kind, tmp_path: Path) -> None:
    source = kind.make(tmp_path, ROWS * 500)  # so many that no source reads all of them at once
    blocks = await read(source)
    assert all(block.source_bytes >= 0 for block in blocks)
    if kind.has_size:
        assert sum(block.source_bytes for block in blocks) == source.size() == sum(map(stored_bytes, source.paths))
    else:
        assert source.size() is None


def stored_bytes(path: str) -> int:
    return Path(path).stat().st_size


def modified_at(path: str) -> float:
    return Path(path).stat().st_mtime


async def test_two_passes_give_the_same(lasting: Kind, tmp_path: Path) -> None:
    source = lasting.make(tmp_path, ROWS)
    first, second, of_another = await read(source), await read(source), await read(lasting.make(tmp_path, ROWS))
    assert first == second == of_another
    assert sum(len(block.ids) for block in first) == len(ROWS)


async def digests(source: Source) -> dict[str, str]:
    """Read all of a source, and return the digests that come with its blocks."""
    return {path: digest for block in await read(source) for path, digest in block.digests.items()}


async def test_the_digests_are_of_the_content(lasting: Kind, tmp_path: Path) -> None:
    if not lasting.has_digests:
        return
    source = lasting.make(tmp_path, ROWS)
    before = await digests(source)
    assert list(before) == list(source.paths)
    assert {len(bytes.fromhex(digest)) for digest in before.values()} == {16}
    assert await digests(source) == before == source.digests() == await digests(lasting.make(tmp_path, ROWS))
    for other in ([*ROWS[:-1], {**ROWS[-1], "emi": "0.51"}], ROWS[:-1], [*ROWS[1:], ROWS[0]]):
        assert await digests(lasting.make(tmp_path, other)) != before


async def test_the_sizes_are_those_of_the_files(lasting: Kind, tmp_path: Path) -> None:
    source = lasting.make(tmp_path, ROWS)
    assert source.sizes() == {path: stored_bytes(path) for path in source.paths}
    assert source.modified_at() == max(map(modified_at, source.paths))


async def test_what_cannot_be_read_twice_has_no_digests(kind: Kind, tmp_path: Path) -> None:
    if not kind.can_be_read_twice:
        source = kind.make(tmp_path, ROWS)
        assert (source.sizes(), source.modified_at()) == ({}, None)
        assert await digests(source) == {}


async def test_the_label_says_what_it_is_and_nothing_of_its_data(kind: Kind, tmp_path: Path) -> None:
    source = kind.make(tmp_path, ROWS)
    assert source.label.strip()
    assert "\n" not in source.label
    assert SECRET not in source.label + "".join(source.paths)
    assert not [row["id"] for row in ROWS if (row["id"] or "") in source.label]


async def test_leaving_early_leaves_nothing_open(kind: Kind, tmp_path: Path) -> None:
    """An open file that is forgotten warns, and a warning is an error."""
    blocks = kind.make(tmp_path, ROWS).blocks()
    first = await asyncio.to_thread(next, blocks)
    assert len(first.ids) == BLOCK_RECORDS
    del blocks
