"""One ledger for each campaign of a run: taken up when it is met, and left alone when it is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.report import Report
from engine.run.jobs.sync import sync
from engine.simulator.process import StandInProcess
from engine.state import LedgerRow, SqliteJournal
from tests.run.nights import Night
from tests.stand_in import stand_in

OTHERS = {"camp_a", "camp_b"}


def routed_night(home: Path, server: StandInProcess) -> Night:
    """Thirty loans, half of them in each of two campaigns."""
    delta = {"mode": "changed", "feed": "loans"}
    night = Night(home, server, route={"column": "whose"}, delta=delta)
    for number, data in enumerate(night.loans.values()):
        data["whose"] = "camp_a" if number % 2 else "camp_b"
    night.write()
    return night


def rows(night: Night) -> dict[str, LedgerRow]:
    journal = SqliteJournal(night.state_dir)
    try:
        return {json.loads(row.target)[2]: row for row in journal.ledgers()}
    finally:
        journal.close()


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInProcess]:
    with stand_in(other_campaign="camp_*") as server:
        monkeypatch.setenv("TIMEPAY_TOKEN", server.token)
        yield server


async def night_of(night: Night, **tables: dict[str, object]) -> Report:
    settings = night.settings_with(
        route={"column": "whose"}, **({"delta": {"mode": "changed", "feed": "loans"}} | tables)
    )
    return await sync(settings)


async def test_each_campaign_has_one(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    first, second = await night_of(night), await night_of(night)
    assert (first.delta.full_reason, first.records.updated) == ("nothing was acknowledged yet", 30)
    assert (second.delta.full, second.records.unchanged, second.requests.sent) == (False, 30, 0)
    assert second.delta.last_full_at == first.started_at
    found = await asyncio.to_thread(rows, night)
    assert {campaign: row.records for campaign, row in found.items()} == {"camp_a": 15, "camp_b": 15}
    assert len({row.key for row in found.values()}) == 2


async def test_one_that_is_not_met_stays_as_it_is(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    await night_of(night)
    before = await asyncio.to_thread(rows, night)
    night.loans = {id_: data for id_, data in night.loans.items() if data["whose"] == "camp_a"}
    await asyncio.to_thread(night.write)
    await night_of(night)
    after = await asyncio.to_thread(rows, night)
    assert after["camp_b"] == before["camp_b"]
    assert after["camp_a"].feeds["loans"].last_run_at > before["camp_a"].feeds["loans"].last_run_at


async def test_a_damaged_one_is_sent_again_and_no_other(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    await night_of(night)
    found = await asyncio.to_thread(rows, night)
    for path in night.state_dir.glob(f"{found['camp_a'].name}*.digests"):
        path.write_bytes(b"")
    report = await night_of(night)
    by_campaign = {each.campaign_id: (each.records.updated, each.records.unchanged) for each in report.campaigns}
    assert by_campaign == {"camp_a": (15, 0), "camp_b": (0, 15)}
    assert report.delta.full is False


async def test_without_delta_what_it_knew_is_void(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    await night_of(night)
    await night_of(night, delta={"mode": "off"})
    assert (await night_of(night)).records.updated == 30
