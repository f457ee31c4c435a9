"""A limit on the records of a source is exact, and counts those that are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from engine.reading.counting_ids import count_repeated
from engine.reading.limit import first_records
from engine.sources import SourceSpec, open_source
from engine.values import Block, Place, Refusal, Span, places


def block(ids: str, first_row: int, *refused_rows: int) -> Block:
    lines = b"\n".join(b'{"id":"%s","data":{"n":1}}' % id_.encode() for id_ in ids)
    spans, row = [], first_row
    for _ in ids:
        while row in refused_rows:
            row += 1
        spans.append(Span("f", row, 1))
        row += 1
    return Block(list(ids), lines, spans, [Refusal("bad", Place("f", row)) for row in refused_rows], 10)


def test_a_limit_counts_the_records_that_are_refused() -> None:
    def blocks() -> Iterator[Block]:
        yield block("abc", 1, 2)
        yield block("def", 5, 5, 7, 9)
        raise AssertionError("nobody needs more")

    taken = list(first_records(blocks(), 8))
    assert [each.ids for each in taken] == [["a", "b", "c"], ["d", "e"]]
    assert [place.row for each in taken for place in places(each.spans)] == [1, 3, 4, 6, 8]
    assert [refusal.place.row for each in taken for refusal in each.refusals] == [2, 5, 7]
    assert [line.split(b"\n") for line in [taken[1].lines]] == [block("de", 1).lines.split(b"\n")]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_may_meet_nothing_but_refusals(limit: int) -> None:
    (taken,) = first_records([block("ab", 3, 1, 2), block("c", 5)], limit)
    assert (list(taken.ids), taken.lines, list(taken.spans)) == ([], b"", [])
    assert [refusal.place.row for refusal in taken.refusals] == [1, 2][:limit]


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
def test_ids_that_come_again_behind_the_limit_are_not_counted(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"source.{format}"
    write(path, [("1", "y"), ("2", "y"), ("1", "y"), ("1", "y")])
    source = open_source(SourceSpec((str(path),), id="id"), batch_size=10)
    assert [count_repeated(source, limit) for limit in (2, 3, None)] == [(2, 0), (3, 1), (4, 2)]


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
@given(kept=st.lists(st.sampled_from("yn-"), min_size=1, max_size=30), batch_size=st.integers(1, 9), data=st.data())
def test_a_limit_counts_the_rows_left_out_before_the_last_record(
    tmp_path_factory: pytest.TempPathFactory, format: str, kept: list[str], batch_size: int, data: st.DataObject
) -> None:
    """y is kept, n is left out, and - is no record, because it has no id."""
    limit = data.draw(st.integers(1, len(kept)))
    path = tmp_path_factory.mktemp("limit") / f"source.{format}"
    write(path, [(None if kind == "-" else f"{row}", "n" if kind == "n" else "y") for row, kind in enumerate(kept)])
    spec = SourceSpec((str(path),), id="id", where={"kept": ("y",)})
    taken = list(first_records(open_source(spec, batch_size=batch_size).blocks(), limit))
    rows = [place.row for block in taken for place in places(block.spans)]
    rows += [refusal.place.row for block in taken for refusal in block.refusals]
    found = len(kept) - kept.count("n")
    assert len(rows) == min(limit, found)
    last = max(rows) if limit <= found else len(kept)
    assert sum(span.count for block in taken for span in block.filtered) == kept[:last].count("n")


def write(path: Path, rows: list[tuple[str | None, str]]) -> None:
    if path.suffix == ".parquet":
        ids = pa.array([id_ for id_, _ in rows], pa.string())
        pq.write_table(pa.table({"id": ids, "kept": [kept for _, kept in rows]}), path)
    elif path.suffix == ".csv":
        path.write_text("id,kept\n" + "".join(f"{id_ or ''},{kept}\n" for id_, kept in rows))
    else:
        path.write_text("".join(f'{{"id":"{id_ or ""}","kept":"{kept}"}}\n' for id_, kept in rows))


def test_without_a_limit_all_blocks_pass() -> None:
    blocks = [block("abc", 1), block("d", 4)]
    assert list(first_records(blocks, None)) == blocks


@given(st.lists(st.integers(0, 4), max_size=8), st.integers(1, 20))
def test_a_limit_is_exact(sizes: list[int], limit: int) -> None:
    row, blocks = 1, []
    for size in sizes:
        blocks.append(block("abcd"[:size], row))
        row += size
    taken = list(first_records(blocks, limit))
    assert sum(len(each.ids) for each in taken) == min(limit, sum(sizes))
    assert all(sum(span.count for span in each.spans) == len(each.ids) for each in taken)
