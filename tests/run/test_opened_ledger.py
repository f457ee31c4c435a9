"""How far a ledger is trusted: whatever is odd about it makes a full send that says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from engine.report import Report
from engine.run.job import Delta
from engine.run.jobs.sync import sync
from engine.run.opened_ledger import other_feeds
from engine.simulator.process import StandInProcess
from engine.state import Feed, LedgerRow, SqliteJournal
from tests.run.nights import Night
from tests.run.test_ledger_of_run import delta_night


async def second_night(night: Night, **changes: object) -> Report:
    settings = night.settings
    source = settings.source.changed(**changes)
    return await sync(settings.changed(source=source))


@pytest.fixture
async def night(tmp_path: Path, server: StandInProcess) -> Night:
    """A night whose records are all acknowledged."""
    night = delta_night(tmp_path, server)
    assert (await sync(night.settings)).records.updated == 30
    return night


async def test_the_first_night_is_a_full_send(tmp_path: Path, server: StandInProcess) -> None:
    report = await sync(delta_night(tmp_path, server).settings)
    assert (report.delta.full, report.delta.full_reason) == (True, "nothing was acknowledged yet")


async def test_a_ledger_that_is_as_it_was_is_trusted(night: Night) -> None:
    report = await second_night(night)
    assert (report.delta.full, report.records.unchanged, report.requests.sent) == (False, 30, 0)


@pytest.mark.parametrize("column", ["head", "edges", "keys", "digests", "places", "tags", "ids"])
@pytest.mark.parametrize("mishap", ["deleted", "cut", "flipped", "emptied"])
async def test_a_damaged_file_makes_a_full_send(night: Night, column: str, mishap: str) -> None:
    [path] = night.state_dir.glob(f"ledger*.{column}")
    content = path.read_bytes()
    match mishap:
        case "deleted":
            path.unlink()
        case "cut":
            path.write_bytes(content[:-1])
        case "flipped":
            path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        case "emptied":
            path.write_bytes(b"")
    report = await second_night(night)
    assert report.delta.full_reason is not None
    assert report.delta.full_reason.startswith("the ledger cannot be used: ")
    assert report.records.updated == 30
    assert (await second_night(night)).records.unchanged == 30  # and from then on it is trusted again


async def test_an_older_ledger_than_the_journal_knows_makes_a_full_send(night: Night) -> None:
    old = {path: path.read_bytes() for path in night.state_dir.glob("ledger*")}
    some, *_ = night.loans
    night.loans[some] = {**night.loans[some], "emi_amount": 1}
    await asyncio.to_thread(night.write)
    await second_night(night)
    for path in night.state_dir.glob("ledger*"):
        path.unlink()
    for path, content in old.items():
        path.write_bytes(content)
    report = await second_night(night)
    assert report.delta.full
    assert report.records.updated == 30


async def test_another_mapping_makes_a_full_send_that_keeps_the_ids(night: Night) -> None:
    journal = SqliteJournal(night.state_dir)
    [row] = journal.ledgers()
    journal.put_ledger(msgspec.structs.replace(row, mapping="another"))
    journal.close()
    report = await second_night(night)
    assert report.delta.full_reason == "what shapes the records has changed since (the mapping)"
    assert (report.records.updated, report.delta.ledger_records) == (30, 30)


def test_a_feed_counts_as_long_as_it_has_run_lately() -> None:
    delta = Delta("mine", "portfolio", "")
    feeds = {
        "mine": Feed(1, "portfolio", "2026-11-28T02:00:00.000Z"),
        "lately": Feed(2, "portfolio", "2999-01-01T02:00:00.000Z"),
        "long ago": Feed(4, "portfolio", "2020-01-01T02:00:00.000Z"),
        "changes": Feed(8, "changes", "2999-01-01T02:00:00.000Z"),
    }
    row = LedgerRow("target", 1, "ledger", feeds=feeds)
    assert list(other_feeds(row, delta, keep_days=90)) == ["lately"]
