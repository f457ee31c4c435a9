"""Who is gone is listed, and told if that is wanted; in doubt nobody is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.ledger import open_columns
from engine.report import Report
from engine.run.jobs.sync import sync
from engine.simulator.process import StandInProcess
from engine.state import SqliteJournal
from tests.run.nights import Night
from tests.run.test_ledger_of_run import delta_night

CLOSED = {"payment_status": "closed"}


async def lose(night: Night, count: int) -> list[str]:
    """Let so many loans vanish from the export."""
    gone = list(night.loans)[:count]
    for record_id in gone:
        del night.loans[record_id]
    await asyncio.to_thread(night.write)
    return gone


def listed(night: Night, report: Report) -> dict[str, Any]:
    lines = (night.state_dir / "runs" / report.run_id / "gone.ndjson").read_bytes().splitlines()
    return {each["id"]: each for each in map(orjson.loads, lines)}


async def test_who_is_gone_is_listed_and_told_nothing(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    first = await sync(night.settings)
    gone = await lose(night, 3)
    report = await sync(night.settings)
    assert (report.gone.found, report.gone.new, report.gone.pending, report.exit_code) == (3, 3, 3, 0)
    assert listed(night, report) == {
        each: {"id": each, "campaign_id": server.campaign_id, "last_run": first.run_id} for each in gone
    }
    again = await sync(night.settings)
    assert (again.gone.found, again.gone.new) == (3, 0)


async def test_who_is_gone_is_told_once(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server, gone=CLOSED)
    await sync(night.settings)
    gone = await lose(night, 3)
    report = await sync(night.settings)
    assert (report.gone.found, report.gone.updated, report.gone.pending, report.exit_code) == (3, 3, 0, 0)
    assert {each["outcome"] for each in listed(night, report).values()} == {"updated"}
    held = await asyncio.to_thread(server.state, gone)
    assert {data["payment_status"] for data in held.values()} == {"closed"}
    assert (await sync(night.settings)).gone.found == 0


async def test_who_returns_is_sent_whole(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    before = dict(night.loans)
    await lose(night, 2)
    await sync(night.settings)
    night.loans.update(before)
    await asyncio.to_thread(night.write)
    report = await sync(night.settings)
    assert (report.records.updated, report.records.unchanged, report.gone.found) == (2, 28, 0)


async def test_too_many_gone_end_the_run_and_are_told_once_that_is_accepted(
    tmp_path: Path, server: StandInProcess
) -> None:
    night = delta_night(tmp_path, server, gone=CLOSED)
    await sync(night.settings)
    gone = await lose(night, 25)
    report = await sync(night.settings)
    assert (report.exit_code, report.gone.found, report.gone.pending, report.requests.sent) == (65, 25, 25, 0)
    assert "guard.max_gone (2%)" in report.message
    guard = night.settings.guard.changed(max_gone=type(night.settings.guard.max_gone)(percent=100.0))
    again = await sync(night.settings.changed(guard=guard))
    assert (again.run_id, again.exit_code, again.gone.updated) == (report.run_id, 0, 25)
    assert len(await asyncio.to_thread(server.state, gone)) == 25


async def test_another_source_begins_a_new_run_after_too_many_were_gone(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server, gone=CLOSED)
    await sync(night.settings)
    before = dict(night.loans)
    await lose(night, 25)
    stopped = await sync(night.settings)
    night.loans.update(before)
    await asyncio.to_thread(night.write)
    report = await sync(night.settings)
    assert (report.exit_code, report.gone.found) == (0, 0)
    assert report.run_id != stopped.run_id


@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({"delta": {"gone": "ignore"}}, 'delta.gone is "ignore"'),
        ({"source": {"holds": "changes"}}, 'source.holds is "changes"'),
        ({"delta": {"feed": "another"}}, "this is the first complete run of the feed 'another'"),
    ],
)
async def test_where_nobody_can_be_gone_nobody_is_looked_for(
    tmp_path: Path, server: StandInProcess, changes: dict[str, Any], skipped: str
) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    await lose(night, 2)
    report = await sync(night.settings_with(**{"delta": {"mode": "changed"}, **changes}))
    assert (report.gone.found, report.gone.skipped) == (0, skipped) or "delta" in changes
    assert report.gone.found == 0


async def test_a_row_whose_id_cannot_be_read_withholds_what_is_told(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server, gone=CLOSED)
    await sync(night.settings)
    await lose(night, 2)
    night.path.write_bytes(night.path.read_bytes() + b'{"id":"torn\n')
    report = await sync(night.settings)
    assert (report.gone.found, report.gone.updated, report.gone.pending, report.exit_code) == (2, 0, 2, 3)
    assert report.gone.skipped is not None
    assert "1 row has no id that can be read" in report.gone.skipped


async def test_who_was_back_in_a_run_that_was_cut_is_void_when_told(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    before = dict(night.loans)
    [gone] = await lose(night, 1)
    await sync(night.settings)
    night.loans = dict(before)
    await asyncio.to_thread(night.write)
    guard = night.settings.guard.changed(max_invalid=type(night.settings.guard.max_invalid)(count=0))
    night.path.write_bytes(night.path.read_bytes() + b'{"id":"torn\n')
    cut = await sync(night.settings.changed(guard=guard))
    assert (cut.exit_code, cut.records.updated) == (65, 1)  # the one that was gone arrived, and the run is not complete
    del night.loans[gone]
    await asyncio.to_thread(night.write)
    report = await sync(night.settings, fresh=True)
    assert (report.gone.found, report.gone.new) == (1, 0)
    columns = open_columns(*_files(night))
    assert columns.digests[[columns.id(entry) for entry in range(len(columns))].index(gone)] == 0


def _files(night: Night) -> tuple[Path, str, Path]:
    journal = SqliteJournal(night.state_dir)
    try:
        [row] = journal.ledgers()
    finally:
        journal.close()
    return night.state_dir / row.name, row.generation, night.state_dir / f"{row.name}.ids"
