"""`engine.push` with the tables that people have: made by pyarrow, polars and pandas, sent to the real stand-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import engine
from engine.simulator.process import StandInProcess
from engine.values.counts import RecordCounts
from tests.acceptance.portfolios import Portfolio, portfolio
from tests.stand_in import stand_in

LOANS = portfolio(55)
FAST: dict[str, Any] = {"requests_per_second": 500.0, "batch_size": 10, "concurrency": 4}


@pytest.fixture
def server() -> Iterator[StandInProcess]:
    with stand_in() as running:
        yield running


def target(server: StandInProcess, tmp_path: Path) -> dict[str, Any]:
    whom = {"url": server.url, "campaign_id": server.campaign_id, "token": server.token}
    return {**whom, "state_dir": tmp_path / "state"}


async def state(server: StandInProcess) -> dict[str, Any]:
    return await asyncio.to_thread(server.state)


def table(loans: Portfolio) -> pa.Table:
    return pa.Table.from_pylist([{"loan_id": id_, **data} for id_, data in loans.items()])


def pieces(loans: Portfolio) -> list[pa.Table]:
    whole = table(loans)
    return [whole.slice(start, 20) for start in range(0, len(whole), 20)]


def polars_frame(loans: Portfolio) -> Any:
    polars = pytest.importorskip("polars")
    return polars.DataFrame([{"loan_id": id_, **data} for id_, data in loans.items()])


def lazily(loans: Portfolio) -> Any:
    return polars_frame(loans).lazy().collect_batches()


def pandas_frame(loans: Portfolio) -> Any:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([{"loan_id": id_, **data} for id_, data in loans.items()])
    return frame.astype({"payment_status": "category"})


def query(loans: Portfolio) -> Any:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("loans", table(loans))
    return connection.sql("SELECT * FROM loans")


async def as_they_come(loans: Portfolio) -> AsyncIterator[Any]:
    for some in pieces(loans):
        await asyncio.sleep(0)
        yield some


WAYS: dict[str, Callable[[Portfolio], Any]] = {
    "a table": table,
    "a batch": lambda loans: table(loans).to_batches()[0],
    "a reader": lambda loans: table(loans).to_reader(max_chunksize=7),
    "a list of batches": lambda loans: table(loans).to_batches(max_chunksize=7),
    "batches as they come": lambda loans: iter(pieces(loans)),
    "batches from the same loop": as_they_come,
    "polars": polars_frame,
    "polars, lazily": lazily,
    "pandas": pandas_frame,
    "a query of DuckDB": query,
}


@pytest.mark.parametrize("way", WAYS)
async def test_tables_however_they_are_handed_over(way: str, server: StandInProcess, tmp_path: Path) -> None:
    report = await engine.push(WAYS[way](LOANS), id="loan_id", **target(server, tmp_path), **FAST)
    assert (report.exit_code, report.records) == (0, RecordCounts(read=55, updated=55)), report.message
    assert await state(server) == LOANS


async def test_every_value_is_exact(server: StandInProcess, tmp_path: Path) -> None:
    columns = {
        "no": pa.array([2**63 - 1, 12], pa.int64()),
        "emi": pa.array([Decimal("12.50"), Decimal("0.10")], pa.decimal128(9, 2)),
        "due": pa.array([date(2026, 11, 5), None]),
        "zip": pa.array(["00123", "1e5"]),
        "dpd": pa.array(["7", "0"]),
        "tags": pa.array([["a", None], []], pa.list_(pa.string())),
        "note": pa.array(["x", "y"]),
        "made": pa.array([1, 2]),
    }
    report = await engine.push(
        pa.table(columns),
        id="no",
        exclude=["made"],
        rename={"note": "remark"},
        types={"dpd": "integer"},
        **target(server, tmp_path),
        **FAST,
    )
    assert report.exit_code == 0
    held = json.dumps(await state(server), sort_keys=True)
    assert held == json.dumps(
        {
            "12": {"emi": 0.10, "zip": "1e5", "dpd": 0, "tags": [], "remark": "y"},
            str(2**63 - 1): {
                "emi": 12.50, "due": "2026-11-05", "zip": "00123", "dpd": 7, "tags": ["a", None], "remark": "x",
            },
        },
        sort_keys=True,
    )  # fmt: skip


async def test_later_rows_of_an_id_win_whatever_batch_they_are_in(server: StandInProcess, tmp_path: Path) -> None:
    def versions() -> Iterator[pa.RecordBatch]:
        for version in range(40):
            yield pa.record_batch({"id": [f"loan_{n}" for n in range(7)], "version": [version] * 7})

    report = await engine.push(versions(), id="id", **target(server, tmp_path), **FAST, max_superseded="100%")
    assert report.exit_code == 0
    assert report.records.updated + report.records.superseded == 280
    assert await state(server) == {f"loan_{n}": {"version": 39} for n in range(7)}


async def test_a_stopped_push_goes_on_with_the_same_rows(server: StandInProcess, tmp_path: Path) -> None:
    loans, stop = portfolio(400), engine.Stop()
    await asyncio.to_thread(server.change, hold="before-reply")
    first = asyncio.create_task(engine.push(table(loans), id="loan_id", **target(server, tmp_path), stop=stop, **FAST))
    await asyncio.to_thread(server.wait, held=4)
    stop.request(engine.Interrupted("the job was cancelled"))
    await asyncio.to_thread(server.change, hold="nothing")
    await asyncio.to_thread(server.release)
    stopped = await first
    assert (stopped.exit_code, stopped.records.updated) == (75, 40)
    with pytest.raises(engine.SourceUntrusted, match=r"\(fields\)"):
        await engine.push(table(loans), id="loan_id", fields=["emi_amount"], **target(server, tmp_path), **FAST)
    done = await engine.push(iter(pieces(loans)), id="loan_id", **target(server, tmp_path), **FAST)
    assert (done.run_id, done.resumes, done.records.updated) == (stopped.run_id, 1, 400)
    assert await state(server) == loans
    assert (await asyncio.to_thread(server.stats))["repeated"] == 0


async def test_rows_that_are_no_records_are_told_by_their_number(server: StandInProcess, tmp_path: Path) -> None:
    rows = pa.table({"id": ["a", None, "c"], "x": [1.0, 2.0, float("inf")]})
    report = await engine.push(rows, id="id", **target(server, tmp_path), **FAST)
    assert (report.exit_code, report.records) == (3, RecordCounts(read=3, invalid=2, updated=1))
    rejects = (tmp_path / "state" / "runs" / report.run_id / "rejected.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["source"] for line in rejects] == [
        {"path": "records", "row": 2},
        {"path": "records", "row": 3},
    ]


def reader() -> pa.RecordBatchReader:
    return table(LOANS).to_reader()


@pytest.mark.parametrize(
    ("records", "arguments", "told"),
    [
        (table(LOANS), {}, "- id: missing; name the column of Table that holds the id"),
        ([table(LOANS)], {}, "- id: missing; name the column of each Table that holds the id"),
        ([("a", {"x": 1})], {"id": "a"}, "- id: names a column, but records are pairs: leave it out"),
        (iter([("a", {"x": 1})]), {"id": "a"}, "records: are pairs, but id names a column: leave it out"),
        ([("a", {"x": 1})], {"fields": ["x"]}, "- fields: only shapes records with columns: set id, or .* for pairs"),
        (5, {"id": "a"}, "- records: must be an iterable"),
        (table(LOANS), {"id": "loan"}, r"records has no column 'loan' \(id\); its columns are loan_id, first_name"),
        (table(LOANS), {"id": "loan_id", "exclude": ["emi"]}, r"records has no column 'emi' \(exclude\)"),
        (table(LOANS), {"id": "loan_id", "types": {"emi": "number"}}, r"records has no column 'emi' \(types\)"),
        (table(LOANS), {"id": "loan_id", "types": {"emi": "money"}}, "- types.emi: must be one of "),
        (table(LOANS), {"id": "loan_id", "field": ["x"]}, "- field: there is no such argument; did you mean fields?"),
        (reader(), {"id": "loan_id", "min_records": 5}, "- min_records: counts the records .*: give a table"),
        (table(LOANS)["loan_id"], {"id": "loan_id"}, "records: ChunkedArray is a single column"),
    ],
)  # fmt: skip
async def test_mistakes_are_told_in_the_terms_of_the_call(
    records: Any, arguments: dict[str, Any], told: str, tmp_path: Path
) -> None:
    api = {"url": "http://127.0.0.1:9", "campaign_id": "c", "token": "t"}
    nowhere: dict[str, Any] = {**api, "state_dir": tmp_path / "state"}
    with pytest.raises(engine.ConfigError, match=told) as caught:
        await engine.push(records, **nowhere, **arguments)
    assert "source." not in str(caught.value)
    assert not (tmp_path / "state").exists()


async def test_how_pandas_calls_its_rows_is_no_field_unless_it_has_a_name(
    server: StandInProcess, tmp_path: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"loan_id": ["z", "a", "y", "b", "c"], "x": [0, 1, 0, 2, 3]})
    frame = frame[frame["x"] > 0]
    assert "__index_level_0__" in pa.RecordBatchReader.from_stream(frame).schema.names
    report = await engine.push(frame, id="loan_id", **target(server, tmp_path), **FAST)
    assert (report.exit_code, await state(server)) == (0, {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}})
    frame = frame.assign(x=7).set_index("loan_id")
    report = await engine.push(frame, id="loan_id", **target(server, tmp_path), **FAST)
    assert (report.exit_code, await state(server)) == (0, {"a": {"x": 7}, "b": {"x": 7}, "c": {"x": 7}})


async def test_guards_count_tables_first(server: StandInProcess, tmp_path: Path) -> None:
    with pytest.raises(engine.SourceUntrusted, match=r"55 records, fewer than min_records \(56\)"):
        await engine.push(table(LOANS), id="loan_id", min_records=56, **target(server, tmp_path), **FAST)
    report = await engine.push(table(LOANS), id="loan_id", min_records=55, **target(server, tmp_path), **FAST)
    assert report.records.updated == 55


async def test_no_rows_are_nothing_pushed(server: StandInProcess, tmp_path: Path) -> None:
    report = await engine.push(table(LOANS).slice(0, 0), id="loan_id", **target(server, tmp_path), **FAST)
    assert (report.exit_code, report.message) == (66, "no record was given")
