"""Parquet sources: every value exact, whatever its type, and nothing read that is not sent."""

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from engine.sources.columns.rows import RowEncoder
from engine.sources.columns.to_json import complete, to_json
from engine.sources.parquet import batches as parquet
from engine.values.errors import ConfigError, SourceMissing
from tests.sources.parquet.any_values import COLUMNS, LEAVES, TEXTS, comparable, plainly, without_notation
from tests.sources.tables import TableReading, read_file


def read_table(folder: Path, table: pa.Table, *, row_group_size: int | None = None, **mapping: Any) -> TableReading:
    path = folder / "source.parquet"
    pq.write_table(table, path, row_group_size=row_group_size)
    return read_file(path, **mapping)


def value_of(folder: Path, array: pa.Array) -> list[str]:
    """The JSON text that each value of a column is sent as."""
    found = read_table(folder, pa.table({"id": [str(i) for i in range(len(array))], "v": array}), nulls="send")
    assert not found.refusals
    prefixes = [f'{{"id":"{i}","data":{{"v":' for i in range(len(array))]
    return [line.decode()[len(prefix) : -2] for prefix, line in zip(prefixes, found.lines, strict=True)]


INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([2**63 - 1, -(2**63), 2**53 + 1, None]), [str(2**63 - 1), str(-(2**63)), str(2**53 + 1), "null"]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array([Decimal("1.10"), Decimal("-0.05"), None], pa.decimal128(12, 2)), ["1.10", "-0.05", "null"]),
        (
            pa.array([Decimal("12345678901234567890123456789.12")], pa.decimal128(38, 2)),
            ["12345678901234567890123456789.12"],
        ),
        (pa.array([0.1, 5000.0, 1e-7, -0.0, 1e300]), ["0.1", "5000", "1e-7", "-0", "1e+300"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array([True, False, None]), ["true", "false", "null"]),
        (pa.array([date(2026, 11, 5), date(1, 1, 1)]), ['"2026-11-05"', '"0001-01-01"']),
        (
            pa.array([datetime(2026, 11, 5, 10), datetime(2026, 11, 5, 10, 0, 0, 1200), None]),
            ['"2026-11-05T10:00:00"', '"2026-11-05T10:00:00.001200"', "null"],
        ),
        (
            pa.array([datetime(2026, 11, 5, 10, tzinfo=INDIA)], pa.timestamp("ms", "Asia/Kolkata")),
            ['"2026-11-05T10:00:00+05:30"'],
        ),
        (pa.array([datetime(2026, 11, 5, 10, tzinfo=UTC)], pa.timestamp("s", "UTC")), ['"2026-11-05T10:00:00Z"']),
        (pa.array([-1], pa.timestamp("us", "-03:00")), ['"1969-12-31T20:59:59.999999-03:00"']),
        (pa.array([0], pa.timestamp("us", "Nowhere/Atall")), ['"1970-01-01T00:00:00Z"']),
        (pa.array([time(10, 30), time(10, 30, 0, 5)]), ['"10:30:00"', '"10:30:00.000005"']),
        (pa.array([timedelta(seconds=90), timedelta(milliseconds=-1500)], pa.duration("ms")), ['"PT90S"', '"-PT1.5S"']),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), ['"a"', '"b"', '"a"', "null"]),
        (pa.array(['q"\\\n\t\0\x1f', "नमस्ते", "😀\u2028"]), ['"q\\"\\\\\\n\\t\\u0000\\u001f"', '"नमस्ते"', '"😀\u2028"']),
        (pa.array(["x"], pa.large_string()), ['"x"']),
        (pa.array([[1, None], [], None]), ["[1,null]", "[]", "null"]),
        (
            pa.array([{"a": Decimal("1.10"), "b": [{"c": "x,}"}]}, None, {"a": None, "b": None}]),
            ['{"a":1.10,"b":[{"c":"x,}"}]}', "null", '{"a":null,"b":null}'],
        ),
        (
            pa.array([[('k"', 1)], None, [], [("a", None), ("b", 2)]], pa.map_(pa.string(), pa.int32())),
            ['{"k\\"":1}', "null", "{}", '{"a":null,"b":2}'],
        ),
        (pa.array([[(7, "x")]], pa.map_(pa.int32(), pa.string())), ['{"7":"x"}']),
        (pa.nulls(2), ["null", "null"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_values_are_exact(tmp_path: Path, array: pa.Array, texts: list[str]) -> None:
    assert value_of(tmp_path, array) == texts


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pa.array([1.0, math.nan, None]), "column 'v' is not a finite number"),
        (pa.array([1.0, -math.inf, None]), "column 'v' is not a finite number"),
        (pa.array([[1.0], [2.0, math.nan], None]), "column 'v' holds a value that is not a finite number"),
        (
            pa.array([{"x": {"y": 1.0}}, {"x": {"y": math.inf}}, None]),
            "column 'v' holds a value that is not a finite number",
        ),
        (pa.array([0, 2**40, None], pa.timestamp("s")), "column 'v' is not a date in the years 0 to 9999"),
        (
            pa.array([0, 3_000_000, None], pa.int32()).cast(pa.date32()),
            "column 'v' is not a date in the years 0 to 9999",
        ),
        (pa.array([b"a", b"\xff", None]).view(pa.string()), "column 'v' is not valid UTF-8"),
    ],
)
def test_what_json_cannot_say_is_refused(tmp_path: Path, array: pa.Array, reason: str) -> None:
    found = read_table(tmp_path, pa.table({"id": ["1", "2", "3"], "v": array, "w": [1, 2, 3]}))
    assert found.ids == ["1", "3"]
    assert found.data[1] == {"w": 3}
    assert found.reasons == [(2, reason)]
    assert json.loads(found.refusals[0].data or b"")["w"] == 2


@pytest.mark.parametrize(
    ("array", "ids"),
    [
        (pa.array([7, 2**62]), ["7", str(2**62)]),
        (pa.array(["007", 'q"']), ["007", 'q"']),
        (pa.array(["a", "a"]).dictionary_encode(), ["a", "a"]),
        (pa.array([1, 2], pa.uint8()), ["1", "2"]),
    ],
)
def test_ids_are_text(tmp_path: Path, array: pa.Array, ids: list[str]) -> None:
    assert read_table(tmp_path, pa.table({"id": array, "v": [1, 2]})).ids == ids


def test_ids_that_are_none(tmp_path: Path) -> None:
    ids = pa.array([b"1", None, b"", b"\xff", b"5"]).view(pa.string())
    found = read_table(tmp_path, pa.table({"id": ids, "v": [1, 2, 3, 4, 5]}))
    assert found.ids == ["1", "5"]
    assert found.reasons == [(2, "id is null"), (3, "id is empty"), (4, "id is not valid UTF-8")]


@pytest.mark.parametrize(
    ("table", "mapping", "words"),
    [
        ({"id": [1.5], "v": [1]}, {}, ["'id'", "double"]),
        ({"id": ["1"], "v": [b"x"], "w": [[b"y"]]}, {}, ["'v'", "'w'", "binary"]),
        ({"id": ["1"], "v": [1]}, {"id": None}, ["source.id"]),
        ({"id": ["1"], "v": [1]}, {"fields": ("x",)}, ["'x'"]),
        ({"id": ["1"]}, {}, ["no column"]),
    ],
)
def test_a_mapping_that_does_not_fit_is_one_error(
    tmp_path: Path, table: dict[str, Any], mapping: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        read_table(tmp_path, pa.table(table), **mapping)
    assert all(word in str(error.value) for word in words)


def test_columns_not_sent_are_not_read(tmp_path: Path) -> None:
    table = pa.table({"id": ["1"], "a": [1], "secret": [b"binary"], "b.c": [2], "b": [{"c": 3}]})
    found = read_table(tmp_path, table, exclude=frozenset({"secret"}), rename={"a": "z"})
    assert found.data == [{"z": 1, "b.c": 2, "b": {"c": 3}}]
    assert read_table(tmp_path, table, fields=("b.c",)).data == [{"b.c": 2}]


def test_blocks_have_exactly_the_size_asked_for_across_row_groups(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array(range(25_000)), "v": pa.array(range(25_000))})
    found = read_table(tmp_path, table, row_group_size=3_333, batch_size=1_000)
    assert found.block_sizes == [1_000] * 25
    assert found.ids == [str(i) for i in range(25_000)]
    assert found.source_bytes == (tmp_path / "source.parquet").stat().st_size


def test_large_values_come_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH_DECODED_BYTES_MAX", 50_000)
    encoded_rows: list[int] = []
    encode = RowEncoder.encode

    def counting(self: RowEncoder, columns: Any, rows: Any) -> Any:
        encoded_rows.append(len(rows))
        return encode(self, columns, rows)

    monkeypatch.setattr(RowEncoder, "encode", counting)
    table = pa.table({"id": pa.array(range(300)), "v": ["x" * 10_000] * 300})  # a dictionary: 10 kB in the file
    assert len(read_table(tmp_path, table).ids) == 300
    assert sum(encoded_rows) == 300
    assert max(encoded_rows) <= 5


def test_a_record_that_is_too_long_is_refused(tmp_path: Path) -> None:
    found = read_table(tmp_path, pa.table({"id": ["1", "2"], "v": ["x" * 600, "y"]}), record_bytes_max=500)
    assert found.ids == ["2"]
    assert found.reasons == [(1, "the record is longer than 500 bytes")]


def test_an_empty_table_has_no_records(tmp_path: Path) -> None:
    assert read_table(tmp_path, pa.table({"id": pa.array([], pa.string()), "v": pa.array([], pa.int64())})).ids == []


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "source.parquet"
    pq.write_table(
        pa.table({"id": pa.array(range(100_000)), "v": pa.array(range(100_000))}), path, row_group_size=20_000
    )
    content = path.read_bytes()
    for damaged in (content[:-100], content[:1000], b"PAR1 and then something else", b"id,v\n1,2\n"):
        path.write_bytes(damaged)
        assert "cannot be read as Parquet" in (read_file(path).damage or "")
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(5000) + content[middle + 5000 :])
    found = read_file(path)
    assert "is damaged behind row" in (found.damage or "")
    assert found.ids == [str(i) for i in range(len(found.ids))]
    assert len(found.ids) >= 10_000
    path.write_bytes(b"")
    with pytest.raises(SourceMissing, match="empty"):
        read_file(path)


def test_a_damaged_page_is_noticed_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "source.parquet"
    table = pa.table({"id": ["1", "2"], "v": ["unmistakable", "text"]})
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"unmistakable", b"unmistakeble"))  # in its statistics, too
    assert "is damaged" in (read_file(path).damage or "")


def test_a_damaged_name_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "source.parquet"
    pq.write_table(pa.table({"id": ["1"], "name": ["x"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"name", b"n\xffme"))
    assert "cannot be read as Parquet" in (read_file(path).damage or "")


# Random columns of every type, held against a plain and slow encoder.


@settings(max_examples=300, deadline=None)
@given(data=st.data(), leaf=st.sampled_from(LEAVES))
def test_random_columns_of_every_type(data: st.DataObject, leaf: tuple[pa.DataType, st.SearchStrategy[Any]]) -> None:
    type_, values = leaf
    items = data.draw(st.lists(st.none() | values, max_size=8))
    array = pa.array(items, type_)
    encoded = to_json(array.slice(len(items) // 3))
    assert encoded.misfits is None
    texts = complete(encoded).fill_null("null").to_pylist()
    expected = [plainly(value, type_) for value in array.slice(len(items) // 3).to_pylist()]
    assert [comparable(text, type_) for text in texts] == [comparable(text, type_) for text in expected]


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (pa.float32(), 16777218.0, "16777218"),
        (pa.float32(), 123456792.0, "123456790"),  # the shortest text that reads back as the same float
        (pa.list_(pa.float64()), [16777217.0], "[16777217]"),
    ],
)
def test_a_whole_float_is_the_same_without_its_fraction(type_: pa.DataType, value: Any, text: str) -> None:
    (found,) = complete(to_json(pa.array([value], type_))).to_pylist()
    assert found == text
    assert comparable(found, type_) == comparable(plainly(value, type_), type_) == value


@settings(max_examples=200, deadline=None)
@given(data=st.data(), column=COLUMNS.filter(lambda column: pa.types.is_nested(column[0])))
def test_random_nested_columns(data: st.DataObject, column: tuple[pa.DataType, st.SearchStrategy[Any]]) -> None:
    type_, values = column
    items = data.draw(st.lists(st.none() | values, max_size=6))
    array = pa.array(items, type_).slice(len(items) // 3)
    texts = complete(to_json(array)).fill_null("null").to_pylist()
    expected = [plainly(value, type_) for value in array.to_pylist()]
    assert [comparable(text, type_) for text in texts] == [comparable(text, type_) for text in expected]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.none() | TEXTS] * 3, st.none() | st.integers(0, 9)), max_size=12),
    nulls=st.sampled_from(["omit", "send"]),
)
def test_every_pattern_of_nulls(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], nulls: str) -> None:
    names = ["a", "b", "c", "d"]
    columns = [pa.array([row[i] for row in rows], pa.int64() if i == 3 else pa.string()) for i in range(4)]
    table = pa.table([pa.array(range(len(rows)), pa.int64()), *columns], ["id", *names])
    found = read_table(tmp_path_factory.mktemp("nulls"), table, nulls=nulls)
    expected = {
        i: {name: value for name, value in zip(names, row, strict=True) if value is not None or nulls == "send"}
        for i, row in enumerate(rows)
    }
    assert dict(zip(map(int, found.ids), found.data, strict=True)) == {i: data for i, data in expected.items() if data}
    assert [list(data) for data in found.data] == [list(data) for data in expected.values() if data]
    assert found.reasons == [(i + 1, "data has no fields") for i, data in expected.items() if not data]


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    columns=st.lists(COLUMNS, min_size=1, max_size=3),
    options=st.fixed_dictionaries(
        {
            "compression": st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "data_page_size": st.sampled_from([64, 1 << 20]),
            "row_group_size": st.integers(1, 15),
            "store_schema": st.booleans(),
            "use_deprecated_int96_timestamps": st.booleans(),
            "use_dictionary": st.booleans(),
            "write_batch_size": st.sampled_from([1, 1024]),
        }
    ),
)
def test_values_are_the_same_however_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, columns: list[Any], options: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("written") / "source.parquet"
    rows = data.draw(st.integers(1, 12))
    values = [(type_, data.draw(st.lists(st.none() | each, min_size=rows, max_size=rows))) for type_, each in columns]
    names = [f"c{number}" for number in range(len(columns))]
    arrays = [pa.array(each, type_) for type_, each in values]
    pq.write_table(pa.table([pa.array(range(rows)), *arrays], ["id", *names]), path, **options)
    found = read_file(path, nulls="send")
    assert found.ids == [str(number) for number in range(rows)]
    written = pq.read_table(path)  # without the schema of Arrow, zones and units are others
    for name in names:
        type_ = written.schema.field(name).type
        expected = [comparable(plainly(value, type_), type_) for value in written.column(name).to_pylist()]
        assert [without_notation(record[name], type_) for record in found.data] == expected
