"""A database as a source: read once into the state directory, sent from there, and read anew when that is too old."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from engine.outlets.displays import NoProgress
from engine.outlets.progress import ProgressSnapshot
from engine.report.report import Report, RunStatus
from engine.run.jobs.sync import sync
from engine.run.spooled import SPOOLS, reading_for_a_look
from engine.settings.loading import from_tables
from engine.settings.tables import Settings
from engine.simulator.process import StandInProcess
from engine.sources.databases import spool as module
from engine.values.errors import ConfigError, Interrupted, SourceMissing, SourceUntrusted, StateFailed
from engine.values.stopping import Stop
from tests.run.nights import Night

ROWS = 30


class Bank:
    """An SQLite file with a table of loans, and settings that read it."""

    def __init__(self, home: Path, server: StandInProcess | None = None) -> None:
        self.path = home / "bank.db"
        self.night = Night(home, server)
        self.spools = home / "state" / SPOOLS
        self.execute("CREATE TABLE loans (loan_id TEXT, emi NUMERIC, note TEXT, photo BLOB)")
        rows = [(f"{id_}", index + 0.5, None, b"\xff") for index, id_ in enumerate(self.night.loans)]
        with sqlite3.connect(self.path) as connection:
            connection.executemany("INSERT INTO loans VALUES (?, ?, ?, ?)", rows)

    def execute(self, statement: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement)

    def settings(self, **tables: dict[str, Any]) -> Settings:
        of_database = {"database": f"sqlite:///{self.path}", "table": "loans", "id": "loan_id", "exclude": ["photo"]}
        source = of_database | tables.pop("source", {})
        merged = {
            name: self.night._tables.get(name, {}) | tables.get(name, {}) for name in {*self.night._tables, *tables}
        }
        return from_tables(merged | {"source": {key: value for key, value in source.items() if value is not None}})

    def files(self) -> list[str]:
        return sorted(os.listdir(self.spools)) if self.spools.exists() else []


@pytest.fixture
def bank(tmp_path: Path, server: StandInProcess) -> Bank:
    return Bank(tmp_path, server)


def all_updated(report: Report) -> bool:
    return report.status is RunStatus.SUCCEEDED and report.records.updated == ROWS


class StopsAtTheFirstChunk(NoProgress):
    """Asks a run to stop as soon as it shows that something is durable."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        if snapshot.records_done:
            self.stop.request(Interrupted("enough"))


async def cut(settings: Settings) -> Report:
    stop = Stop()
    return await sync(settings, stop=stop, display=StopsAtTheFirstChunk(stop))


SLOW: dict[str, Any] = {"upload": {"requests_per_second": 1.0, "drain_timeout_s": 0.0}}


async def test_all_rows_arrive_and_nothing_of_them_stays(bank: Bank) -> None:
    report = await sync(bank.settings())
    assert all_updated(report)
    assert report.source == f"sqlite:///{bank.path} (table loans)"
    assert bank.files() == []
    arrived = await asyncio.to_thread(bank.night.arrived)
    assert [arrived[id_] for id_ in list(bank.night.loans)[:2]] == [{"emi": 0.5}, {"emi": 1.5}]


async def test_an_interrupted_run_goes_on_with_what_it_has_read(bank: Bank) -> None:
    first = await cut(bank.settings(**SLOW))
    assert first.status is RunStatus.INTERRUPTED
    [name] = bank.files()
    assert stat.S_IMODE((bank.spools / name).stat().st_mode) == 0o600
    await asyncio.to_thread(bank.execute, "UPDATE loans SET emi = 99")
    second = await sync(bank.settings())
    assert (second.run_id, second.resumes) == (first.run_id, 1)
    assert all_updated(second)
    arrived = await asyncio.to_thread(bank.night.arrived)
    assert 99 not in [data["emi"] for data in arrived.values()]
    assert bank.files() == []


async def test_a_result_that_is_too_old_is_read_anew(bank: Bank) -> None:
    first = await cut(bank.settings(**SLOW))
    [name] = bank.files()
    age(bank.spools / name, hours=7)
    await asyncio.to_thread(bank.execute, "UPDATE loans SET emi = 99")
    second = await sync(bank.settings())
    assert second.run_id != first.run_id
    arrived = await asyncio.to_thread(bank.night.arrived)
    assert {data["emi"] for data in arrived.values()} == {99}


async def test_a_part_that_must_be_delivered_is_not_read_anew(bank: Bank) -> None:
    settings = {**SLOW, "source": {"holds": "changes"}}
    first = await cut(bank.settings(**settings))
    [name] = bank.files()
    age(bank.spools / name, hours=7)
    second = await sync(bank.settings(source={"holds": "changes"}))
    assert second.run_id == first.run_id


def age(path: Path, hours: float) -> None:
    """Make a result older, as the journal of its run cannot tell: a version of a file is its time of change."""
    then = int(time.time() - hours * 3600) * 10**9
    os.utime(path, ns=(then, then))


async def test_fresh_reads_anew(bank: Bank) -> None:
    await cut(bank.settings(**SLOW))
    await asyncio.to_thread(bank.execute, "UPDATE loans SET emi = 99")
    report = await sync(bank.settings(), fresh=True)
    assert all_updated(report)
    arrived = await asyncio.to_thread(bank.night.arrived)
    assert {data["emi"] for data in arrived.values()} == {99}


async def test_another_query_is_refused_before_the_waiting_result_is_touched(bank: Bank) -> None:
    await cut(bank.settings(**SLOW))
    before = bank.files()
    with pytest.raises(SourceUntrusted, match=r"source\.query"):
        await sync(bank.settings(source={"table": None, "query": "SELECT * FROM loans"}))
    assert bank.files() == before != []


async def test_a_draft_of_a_killed_process_is_deleted(bank: Bank) -> None:
    bank.spools.mkdir(parents=True)
    (bank.spools / "0.parquet.draft").write_bytes(b"half")
    assert all_updated(await sync(bank.settings()))
    assert bank.files() == []


async def test_a_table_without_rows_holds_no_record(bank: Bank) -> None:
    await asyncio.to_thread(bank.execute, "DELETE FROM loans")
    report = await sync(bank.settings())
    assert (report.exit_code, report.message) == (66, f"sqlite:///{bank.path} (table loans) holds no record")


async def test_guards_look_at_the_whole_result_before_the_first_request(bank: Bank) -> None:
    with pytest.raises(SourceUntrusted, match=r"holds 30 records"):
        await sync(bank.settings(guard={"min_records": 31}))
    assert await asyncio.to_thread(bank.night.arrived) == {}


async def test_a_nearly_full_disk_is_74_and_leaves_nothing(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_BYTES_MIN", 1 << 60)
    with pytest.raises(StateFailed, match="nearly full"):
        await sync(bank.settings())
    assert bank.files() == []


async def test_a_writer_that_keeps_its_lock_is_waited_for_and_then_75(bank: Bank) -> None:
    connection = sqlite3.connect(bank.path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Interrupted, match="somebody is writing"):
            await sync(bank.settings(upload={"retry_window_s": 0.0}))
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ({"table": "nothing"}, ConfigError, "no such table"),
        ({"table": None, "query": "SELECT missing FROM loans"}, ConfigError, "no such column"),
        ({"table": None, "query": "DELETE FROM loans"}, ConfigError, "readonly|SELECT"),
        ({"id": "nothing"}, ConfigError, r"source\.id"),
        ({"exclude": []}, ConfigError, r"BLOB \(row 1\)"),
        ({"database": "sqlite:///nowhere.db"}, SourceMissing, "does not exist"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_sent(
    bank: Bank, source: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        await sync(bank.settings(source=source))
    assert bank.files() == []


def test_a_look_reads_the_first_rows_and_leaves_nothing(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    with reading_for_a_look(bank.settings(), None, whole=False) as (reading, is_all):
        assert is_all
        assert sum(len(block.ids) for block in reading.open().blocks()) == ROWS
        assert reading.files is not None
        where = reading.files[0].identity
    assert not Path(where).exists()
    assert not (tmp_path / "state").exists()


def test_files_are_looked_at_where_they_lie(tmp_path: Path) -> None:
    with reading_for_a_look(Night(tmp_path).settings, None, whole=True) as (reading, is_all):
        assert (reading.files, is_all) == (None, True)
