"""What a run notes in the ledger, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine import push
from engine.run.jobs.sync import sync
from engine.run.ledger_of_run import LedgerOfRun
from engine.simulator.process import StandInProcess
from engine.state import SqliteJournal
from engine.values.errors import StateFailed
from tests.run.nights import Night


def delta_night(home: Path, server: StandInProcess, **delta: object) -> Night:
    return Night(home, server, delta={"mode": "changed", **delta})


async def test_an_entry_is_void_before_other_values_leave(
    tmp_path: Path, server: StandInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    some = next(iter(night.loans))
    first = night.loans[some]
    night.loans[some] = {**first, "emi_amount": 1}
    await asyncio.to_thread(night.write)
    original = LedgerOfRun.changes
    monkeypatch.setattr(LedgerOfRun, "changes", lambda self, results: [])  # the acknowledgement gets lost
    assert (await sync(night.settings)).records.updated == 1
    monkeypatch.setattr(LedgerOfRun, "changes", original)
    night.loans[some] = first
    await asyncio.to_thread(night.write)
    report = await sync(night.settings)
    assert (report.records.updated, report.records.unchanged) == (1, 29)
    assert await asyncio.to_thread(night.arrived) == night.loans


async def test_what_a_push_sends_is_sent_again_by_the_next_night(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    some, *_ = night.loans
    await push(
        [(some, {"emi_amount": -1})],
        url=server.url,
        campaign_id=server.campaign_id,
        token=server.token,
        state_dir=night.state_dir,
        late_copy_s=0.1,
    )
    report = await sync(night.settings)
    assert (report.records.updated, report.records.unchanged) == (1, 29)
    assert await asyncio.to_thread(night.arrived) == night.loans


async def test_a_night_with_delta_off_makes_the_next_one_a_full_send(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    await sync(night.settings_with(delta={"mode": "off"}))
    report = await sync(night.settings)
    assert report.records.updated == 30
    assert report.delta.full_reason is not None
    assert report.delta.full_reason.startswith("no record is known to be on the server")


async def test_a_full_send_that_was_asked_for_says_so(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    report = await sync(night.settings, full=True)
    assert (report.records.updated, report.delta.full_reason) == (30, "it was asked for (--full)")


async def test_what_is_too_old_is_sent_again(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server, full_every="1d")
    await sync(night.settings)
    assert (await sync(night.settings)).records.unchanged == 30
    journal = SqliteJournal(night.state_dir)
    journal._db.rows("UPDATE run SET started_at = '2026-01-01T02:00:00.000Z'")
    journal.close()
    report = await sync(night.settings)
    assert (report.records.updated, report.delta.full) == (30, True)


STEPS = [
    "engine.ledger.merging.apply",
    "engine.ledger.merging.ids_checksum_of",
    "engine.ledger.writing.os.fdatasync",
    "engine.ledger.writing.os.fsync",
    "engine.state.sqlite_journal.SqliteJournal.replace_ledger",
]


@pytest.mark.parametrize("step", STEPS)
async def test_a_merge_that_fails_at_any_step_loses_nothing(
    tmp_path: Path, server: StandInProcess, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    for some in list(night.loans)[:3]:
        night.loans[some] = {**night.loans[some], "emi_amount": 7}
    await asyncio.to_thread(night.write)

    def fail(*_: object, **__: object) -> None:
        raise StateFailed("no space") if "replace" in step else OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        with pytest.raises(StateFailed, match=r"[Nn]o space"):
            await sync(night.settings)
    report = await sync(night.settings)
    assert (report.resumes, report.records.updated, report.records.unchanged) == (1, 3, 27)
    assert not report.delta.full
    assert (await sync(night.settings)).requests.sent == 0
    assert await asyncio.to_thread(night.arrived) == night.loans
