"""Tables from Python: the lines of Parquet, whichever way the columns are handed over, a few rows at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from engine.sources.arrow.source import ArrowSource
from engine.sources.columns.rows import RowEncoder
from engine.sources.parquet.batches import BATCH_ROWS_MAX
from engine.sources.spec import SourceSpec
from engine.values.errors import ConfigError, SourceUntrusted
from engine.values.records import Block
from tests.sources.parquet.any_values import COLUMNS
from tests.sources.tables import read_file


def blocks_of(records: Any, *, batch_size: int = 10_000, **mapping: Any) -> list[Block]:
    """Read records as the engine does: looked at, then read in a thread beside the loop."""
    spec = SourceSpec((), **{"id": "id", "nulls": "send", **mapping})

    async def read() -> list[Block]:
        source = ArrowSource(records, spec, batch_size=batch_size, record_bytes_max=8_000_000)
        await asyncio.to_thread(source.look)
        return await asyncio.to_thread(lambda: list(source.blocks()))

    return asyncio.run(read())


def lines_of(records: Any, **mapping: Any) -> list[bytes]:
    return [line for block in blocks_of(records, **mapping) for line in block.lines.split(b"\n") if line]


class OnlyArray:
    """Hands over one batch, and nothing else: no stream."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __arrow_c_array__(self, requested_schema: object | None = None) -> Any:
        return self._batch.__arrow_c_array__(requested_schema)


WAYS: dict[str, Callable[[pa.Table], Any]] = {
    "a table": lambda table: table,
    "a reader": lambda table: table.to_reader(),
    "a list of readers": lambda table: [table.slice(0, 4).to_reader(), table.slice(4).to_reader()],
    "a list of batches": lambda table: table.to_batches(),
    "batches as they come": lambda table: iter(table.to_batches(max_chunksize=3)),
    "arrays": lambda table: [OnlyArray(batch) for batch in table.to_batches()],
    "tables": lambda table: [table.slice(0, 4), table.slice(4, 0), table.slice(4)],
    "a column of objects": lambda table: table.to_struct_array(),
    "views": lambda table: table.cast(viewed(table.schema)),
    "dictionaries": lambda table: pa.table(
        [column.dictionary_encode() if pa.types.is_string(column.type) else column for column in table.columns],
        table.column_names,
    ),
}


def viewed(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [field.with_type(pa.string_view() if field.type == pa.string() else field.type) for field in schema]
    )


@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_handed_over(way: str) -> None:
    ids = [f"LN{n}" for n in range(10)]
    table = pa.table({"emi": pa.array(range(10), pa.int64()), "id": ids, "name": [*["Asha", None] * 5]})
    table = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    rows = [
        f'{{"id":"LN{n}","data":{{"emi":{n},"name":{"null" if n % 2 else chr(34) + "Asha" + chr(34)}}}}}'
        for n in range(10)
    ]
    assert lines_of(WAYS[way](table)) == [row.encode() for row in rows]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), columns=st.lists(COLUMNS, min_size=1, max_size=3))
def test_any_columns_are_those_of_parquet(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, columns: Sequence[Any]
) -> None:
    count = data.draw(st.integers(1, 12))
    arrays = [pa.array(data.draw(st.lists(st.none() | v, min_size=count, max_size=count)), t) for t, v in columns]
    table = pa.table([pa.array(range(count)), *arrays], ["id", *(f"c{n}" for n in range(len(arrays)))])
    path = tmp_path_factory.mktemp("same") / "source.parquet"
    pq.write_table(table, path)
    cut = data.draw(st.integers(0, count))
    parts = [table.slice(0, cut), table.slice(cut)]
    expected = read_file(path, nulls="send").lines
    assert lines_of(table) == lines_of(iter(parts)) == expected


def test_the_mapping_is_that_of_a_source() -> None:
    table = pa.table({"no": [7], "dpd": ["12"], "emi": [1.5], "zone": ["n"], "note": ["x"]})
    mapping: dict[str, Any] = {"exclude": frozenset({"note"}), "rename": {"emi": "amount"}, "types": {"dpd": "integer"}}
    assert lines_of(table, id="no", **mapping) == [b'{"id":"7","data":{"dpd":12,"amount":1.5,"zone":"n"}}']
    assert lines_of(table, id="no", fields=("zone",), constants={"k": 1}) == [b'{"id":"7","data":{"zone":"n","k":1}}']


def test_rows_that_are_no_records_have_their_number() -> None:
    table = pa.table({"id": ["a", None, "", "d", "e"], "x": [1.0, 1.0, 1.0, float("nan"), 2.0]})
    [block] = blocks_of(iter([table.slice(0, 2), table.slice(2)]))
    assert [(each.place.path, each.place.row, each.reason) for each in block.refusals] == [
        ("records", 2, "id is null"),
        ("records", 3, "id is empty"),
        ("records", 4, "column 'x' is not a finite number"),
    ]
    assert [(span.first_row, span.count) for span in block.spans] == [(1, 1), (5, 1)]


def test_batches_are_taken_as_they_are_needed() -> None:
    taken = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        for number in range(1_000):
            taken += 1
            yield pa.record_batch({"id": pa.array(range(number * BATCH_ROWS_MAX, (number + 1) * BATCH_ROWS_MAX))} | X)

    async def read_some() -> tuple[int, int]:
        source = ArrowSource(batches(), SourceSpec((), id="id"), batch_size=10_000, record_bytes_max=8_000_000)
        await asyncio.to_thread(source.look)
        looked = taken
        blocks = source.blocks()
        await asyncio.to_thread(lambda: [next(blocks) for _ in range(5)])
        await asyncio.to_thread(blocks.close)  # type: ignore[attr-defined]
        return looked, taken

    looked, taken_in_all = asyncio.run(read_some())
    assert looked == 1
    assert 5 * 10_000 / BATCH_ROWS_MAX <= taken_in_all < 25


X = {"x": pa.array([1] * BATCH_ROWS_MAX)}


def test_what_stands_once_for_many_rows_does_not_make_pieces_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice of views or of a dictionary counts all that these hold: its rows must not be taken for giants."""
    pieces: list[int] = []
    encode = RowEncoder.encode

    def counted(self: RowEncoder, columns: Any, rows: Any) -> Any:
        pieces.append(len(rows))
        return encode(self, columns, rows)

    monkeypatch.setattr(RowEncoder, "encode", counted)
    words = pa.array([f"{number:>2000}" for number in range(40_000)])  # 80 MB
    chosen = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3] * 10_000, pa.int32()), words)
    table = pa.table({"id": pa.array(range(40_000)), "word": chosen, "view": words.cast(pa.string_view())})
    assert sum(block.lines.count(b"\n") + 1 for block in blocks_of(table)) == 40_000
    assert sum(pieces) == 40_000
    assert len(pieces) <= 12


def test_small_batches_are_encoded_together_and_large_ones_in_parts() -> None:
    few = [pa.record_batch({"id": [f"{n}"], "x": [n]}) for n in range(50)]
    assert [len(block.ids) for block in blocks_of(few)] == [50]
    many = pa.table({"id": pa.array(range(25_000)), "x": pa.array(range(25_000))})
    assert [len(block.ids) for block in blocks_of(many)] == [10_000, 10_000, 5_000]


@pytest.mark.parametrize(
    ("records", "mapping", "told"),
    [
        (pa.table({"x": [1]}), {}, r"records has no column 'id' \(source.id\)"),
        (pa.table({"id": ["a"], "x": [1]}), {"fields": ("y",)}, r"records has no column 'y' \(source.fields\)"),
        (pa.table({"id": [1.5], "x": [1]}), {}, "column 'id' holds double; ids must be text or integers"),
        (pa.table({"id": ["a"], "x": [b"1"]}), {}, "column 'x' holds binary, which has no JSON form"),
        (pa.table({"id": ["a"]}), {}, "no column of records is left to send"),
        (pa.chunked_array([["a"]]), {}, "ChunkedArray is a single column; give a table"),
        ([("a", {"x": 1})], {}, "are pairs, but source.id names a column"),
        (iter([5]), {}, "must be tables or batches of rows where source.id is given, not int"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_read(records: Any, mapping: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        blocks_of(records, **mapping)


def test_a_later_table_that_does_not_fit_ends_what_was_begun() -> None:
    first, other = pa.table({"id": ["a"], "x": [1]}), pa.table({"key": ["b"], "x": [1]})
    with pytest.raises(SourceUntrusted, match="has no column 'id'"):
        blocks_of([first, other], batch_size=1)
    with pytest.raises(SourceUntrusted, match="are pairs"):
        blocks_of([first, ("b", {})], batch_size=1)


def test_a_stream_that_fails_is_told_behind_its_last_row(tmp_path: Path) -> None:
    """As a query does whose server goes away: everything before is kept."""

    class Torn(OSError):
        pass

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": ["a"], "x": [1]})
        raise Torn("with a secret")

    schema = pa.schema({"id": pa.string(), "x": pa.int64()})
    with pytest.raises(SourceUntrusted, match=r"^records cannot be read behind row 1: ") as caught:
        blocks_of(pa.RecordBatchReader.from_batches(schema, batches()))
    assert "secret" not in str(caught.value)


def test_nothing_is_nothing() -> None:
    assert blocks_of([]) == []
    assert blocks_of(pa.table({})) == []
    assert blocks_of(iter([pa.table({"id": pa.array([], pa.string()), "x": pa.array([], pa.int64())})])) == []
