"""Shaping is the same for every format: one table, written as CSV, NDJSON and Parquet, arrives as the same records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from engine.sources.files import open_source
from engine.sources.ndjson.named_keys import once_keys_are_met
from engine.sources.spec import ColumnShape, SourceSpec
from engine.values import Block
from engine.values.errors import ConfigError

Row = dict[str, str | None]

ROWS: list[Row] = [
    {"loan": " LN1 ", "amount": "₹ 1,25,000.00", "due": "01/12/2026", "paid": "N", "state": "KA"},
    {"loan": "LN2", "amount": "NULL", "due": "2/1/2027", "paid": "Y", "state": "MH"},
    {"loan": "LN3", "amount": "Rs. 1,25", "due": "01/12/2026", "paid": "Y", "state": "KA"},
    {"loan": "LN4", "amount": None, "due": "31/02/2026", "paid": "N", "state": "KA"},
    {"loan": "LN5", "amount": "-5", "due": None, "paid": "maybe", "state": None},
    {"loan": "LN6", "amount": "7", "due": "01/01/2027", "paid": None, "state": "KA"},
]


def as_csv(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_ndjson(rows: list[Row]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_parquet(rows: list[Row]) -> bytes:
    stream = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return bytes(stream.getvalue().to_pybytes())


FORMATS: dict[str, Callable[[list[Row]], bytes]] = {"csv": as_csv, "ndjson": as_ndjson, "parquet": as_parquet}
formats = pytest.mark.parametrize("format", FORMATS)


class Found:
    """All that came of a source."""

    def __init__(self, spec: SourceSpec) -> None:
        blocks = list(open_source(spec).blocks())
        lines = [line for block in blocks if block.ids for line in block.lines.split(b"\n")]
        self.records = {record["id"]: record["data"] for record in map(json.loads, lines)}
        self.invalid = {refusal.place.row: refusal.reason for block in blocks for refusal in block.refusals}
        self.filtered = sum(span.count for block in blocks for span in block.filtered)
        assert [id_ for block in blocks for id_ in block.ids] == list(self.records)


def read(folder: Path, format: str, rows: list[Row] = ROWS, name: str = "", **mapping: Any) -> Found:
    path = folder / (name or f"export.{format}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(FORMATS[format](rows))
    return Found(SourceSpec((str(path),), id="loan", **mapping))


SHAPED: dict[str, Any] = {
    "columns": {
        "loan": ColumnShape(trim=True),
        "amount": ColumnShape(field="emi", type="number", strip="₹ Rs.", thousands=",", null_values=("NULL",)),
        "due": ColumnShape(type="date", date_format="%d/%m/%Y", default="2026-12-31"),
        "paid": ColumnShape(type="boolean", true=("Y",), false=("N",)),
    },
    "exclude": frozenset({"state"}),
}


@formats
def test_each_value_is_right_or_its_record_is_invalid(tmp_path: Path, format: str) -> None:
    found = read(tmp_path, format, **SHAPED)
    assert found.records == {
        "LN1": {"emi": 125000.00, "due": "2026-12-01", "paid": False},
        "LN2": {"due": "2027-01-02", "paid": True},
        "LN6": {"emi": 7, "due": "2027-01-01"},
    }
    called = "key" if format == "ndjson" else "column"
    assert found.invalid == {
        3: f"{called} 'amount' is not a number",
        4: f"{called} 'due' is not a date like 30/11/2026",
        5: f"{called} 'paid' is not true or false",
    }


@formats
def test_nulls_are_sent_where_that_is_asked_for(tmp_path: Path, format: str) -> None:
    found = read(tmp_path, format, rows=ROWS[1:2], nulls="send", **SHAPED)
    assert found.records == {"LN2": {"emi": None, "due": "2027-01-02", "paid": True}}


@formats
@pytest.mark.parametrize(
    ("nulls", "default", "paid"), [("omit", None, {}), ("send", None, {"paid": None}), ("omit", "no", {"paid": "no"})]
)
def test_a_null_that_json_holds_is_a_null(
    tmp_path: Path, format: str, nulls: str, default: str | None, paid: dict[str, Any]
) -> None:
    rows: list[Row] = [{"loan": "LN1", "amount": "[null]", "paid": " null "}]
    columns = {"amount": ColumnShape(type="json"), "paid": ColumnShape(type="json", default=default)}
    found = read(tmp_path, format, rows, columns=columns, nulls=nulls)
    assert found.records == {"LN1": {"amount": [None], **paid}}


@formats
def test_null_words_hold_for_every_column(tmp_path: Path, format: str) -> None:
    found = read(tmp_path, format, null_values=("NULL", "N", "LN3"), fields=("amount", "paid"))
    assert found.records["LN2"] == {"paid": "Y"}
    assert " LN1 " in found.records
    assert "paid" not in found.records[" LN1 "]
    assert found.invalid.keys() == {3, 4}  # an id that means null, and nothing but nulls


@formats
@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"state": ("MH",)}, ["LN2"]),
        ({"state": ("KA", "MH")}, [" LN1 ", "LN2", "LN3", "LN4", "LN6"]),
        ({"state": ("",)}, ["LN5"]),
        ({"state": ("KA", ""), "paid": ("N", "")}, [" LN1 ", "LN4", "LN6"]),
        ({"loan": (" LN1 ",)}, [" LN1 "]),
        ({"amount": ("₹ 1,25,000.00",)}, [" LN1 "]),
        ({"state": ("Kerala",)}, []),
    ],
)
def test_rows_that_do_not_meet_where_are_left_out_and_counted(
    tmp_path: Path, format: str, where: dict[str, tuple[str, ...]], ids: list[str]
) -> None:
    found = read(tmp_path, format, where=where)
    assert list(found.records) == ids
    assert found.filtered == len(ROWS) - len(ids)
    assert not found.invalid


@formats
def test_every_record_gets_the_constants(tmp_path: Path, format: str) -> None:
    constants = {"batch": 'a "%b"', "n": 1, "ok": True, "share": 0.5}
    found = read(tmp_path, format, constants=constants, fields=("state",))
    assert found.records["LN2"] == {"state": "MH", **constants}
    assert found.records["LN5"] == constants  # it has nothing else


@formats
def test_a_constant_that_a_column_becomes_too_is_refused(tmp_path: Path, format: str) -> None:
    if format == "ndjson":  # where each record has keys of its own, it is a matter of each record
        found = read(tmp_path, format, constants={"state": "x"})
        assert list(found.invalid) == [1, 2, 3, 4, 6]
        assert list(found.records) == ["LN5"]
        return
    with pytest.raises(ConfigError, match=r"'state', too \(source.constants\)"):
        read(tmp_path, format, constants={"state": "x"})


@formats
def test_keys_in_directory_names_are_columns(tmp_path: Path, format: str) -> None:
    spec_keys: dict[str, str | None] = {"region": "south", "year": "2026", "none": None, "state": "not this one"}
    path = tmp_path / f"x.{format}"
    path.write_bytes(FORMATS[format](ROWS[1:2]))
    source = open_source(SourceSpec((str(path),), id="loan", where={"year": ("2026",)}, nulls="send"))
    from msgspec.structs import replace

    source._files = [replace(file, keys=spec_keys) for file in source._files]  # type: ignore[attr-defined]
    [block] = source.blocks()
    data = json.loads(block.lines)["data"]
    assert data == {"amount": "NULL", "due": "2/1/2027", "paid": "Y", "state": "MH", "region": "south",
                    "year": "2026", "none": None}  # fmt: skip


@formats
@pytest.mark.parametrize("key", ["fields", "exclude", "rename", "columns", "where"])
def test_a_column_that_is_not_there_is_refused_by_name(tmp_path: Path, format: str, key: str) -> None:
    named: dict[str, Any] = {
        "fields": ("amount", "aadhar_no"),
        "exclude": frozenset({"aadhar_no"}),
        "rename": {"aadhar_no": "x"},
        "columns": {"aadhar_no": ColumnShape(trim=True)},
        "where": {"aadhar_no": ("1",)},
    }
    with pytest.raises(ConfigError, match=rf"'aadhar_no'.*\(source.{key}\)"):
        read(tmp_path, format, **{key: named[key]})


class TestKeysOfNdjson:
    def test_a_key_that_comes_late_is_waited_for(self, tmp_path: Path) -> None:
        rows: list[Row] = [{"loan": str(n), "a": "x"} for n in range(9_000)]
        found = read(tmp_path, "ndjson", rows=[*rows, {"loan": "last", "b": "secret"}], exclude=frozenset({"b"}))
        assert len(found.records) == 9_000
        assert found.invalid == {9_001: "data has no fields"}

    def test_after_ten_thousand_records_nobody_waits_any_more(self, tmp_path: Path) -> None:
        rows: list[Row] = [{"loan": str(n), "a": "x"} for n in range(25_000)]
        with pytest.raises(
            ConfigError, match=r"the first 10,000 records of .*'b' \(source.exclude\); its keys are a, loan"
        ):
            read(tmp_path, "ndjson", rows=rows, exclude=frozenset({"b"}))

    def test_what_stands_in_another_file_is_met_too(self, tmp_path: Path) -> None:
        (tmp_path / "1.ndjson").write_bytes(as_ndjson([{"loan": "1", "a": "x"}]))
        (tmp_path / "2.ndjson").write_bytes(as_ndjson([{"loan": "2", "a": "x", "b": "y"}]))
        found = Found(SourceSpec((str(tmp_path / "*.ndjson"),), id="loan", exclude=frozenset({"b"})))
        assert found.records == {"1": {"a": "x"}, "2": {"a": "x"}}

    def test_nothing_is_held_back_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from engine.sources.ndjson import named_keys

        monkeypatch.setattr(named_keys, "HELD_BYTES_MAX", 10_000)
        rows: list[Row] = [{"loan": str(n), "a": "x" * 5_000} for n in range(20)]
        (tmp_path / "x.ndjson").write_bytes(as_ndjson(rows))
        spec = SourceSpec((str(tmp_path / "x.ndjson"),), id="loan", exclude=frozenset({"b"}))
        source = open_source(spec, batch_size=1)
        with pytest.raises(ConfigError, match="'b'"):
            list(source.blocks())

    def test_of_many_keys_only_the_first_are_named(self, tmp_path: Path) -> None:
        rows: list[Row] = [{"loan": str(n), f"key{n:04}": "x"} for n in range(1_000)]
        with pytest.raises(ConfigError, match=r"its keys are key0000, key0001, .*, key0029 and 971 others$"):
            read(tmp_path, "ndjson", rows=rows, exclude=frozenset({"b"}))

    def test_keys_are_kept_only_while_one_is_waited_for(self) -> None:
        seen = {"loan", "b"}
        block = Block(["1"], b"{}", [])
        spec = SourceSpec(("x",), id="loan", exclude=frozenset({"b"}))
        assert list(once_keys_are_met([block, block], spec, seen, "x")) == [block, block]
        assert not seen

    def test_lines_without_any_key_are_no_mistake_of_the_settings(self, tmp_path: Path) -> None:
        (tmp_path / "x.ndjson").write_bytes(b"LN1,5\n" * 3)
        found = Found(SourceSpec((str(tmp_path / "x.ndjson"),), id="loan", exclude=frozenset({"b"})))
        assert found.invalid.keys() == {1, 2, 3}

    def test_a_key_that_may_be_absent_need_not_be_met(self, tmp_path: Path) -> None:
        assert next(iter(read(tmp_path, "ndjson", where={"closed": ("",)}).records)) == " LN1 "
