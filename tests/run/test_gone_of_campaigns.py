"""Who is gone from one of many campaigns: each campaign is judged alone, and who has moved is not gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from engine.report import Report
from engine.run.jobs.sync import sync
from engine.simulator.process import StandInProcess
from tests.run.nights import Night
from tests.run.test_routed_ledgers import many, routed_night

__all__ = ["many"]

CLOSED = {"payment_status": "closed"}


async def night_of(night: Night, *, moved: str = "report", **guard: object) -> Report:
    delta = {"mode": "changed", "feed": "loans", "gone": CLOSED, "moved": moved}
    await asyncio.to_thread(night.write)
    return await sync(night.settings_with(route={"column": "whose"}, delta=delta, guard=guard))


async def test_each_is_told_in_its_campaign(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    await night_of(night)
    first, second, third, *_ = night.loans
    del night.loans[first], night.loans[second]
    night.loans[third]["whose"] = "camp_a"  # it stood in camp_b
    report = await night_of(night)
    gone = {each.campaign_id: (each.gone.found, each.gone.moved, each.gone.updated) for each in report.campaigns}
    assert gone == {"camp_a": (1, 0, 1), "camp_b": (1, 1, 1)}
    assert (report.gone.found, report.gone.moved, report.gone.skipped) == (2, 1, None)
    lines = (night.state_dir / "runs" / report.run_id / "gone.ndjson").read_bytes().splitlines()
    told = {each["id"]: (each["campaign_id"], each.get("moved_to")) for each in map(orjson.loads, lines)}
    assert told == {first: ("camp_b", None), second: ("camp_a", None), third: ("camp_b", "camp_a")}


async def test_the_first_run_of_a_campaign_judges_nobody_there(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    await night_of(night)
    first, second, *_ = night.loans
    night.loans[first]["whose"] = "camp_new"
    del night.loans[second]
    report = await night_of(night)
    skipped = {each.campaign_id: each.gone.skipped for each in report.campaigns}
    assert skipped["camp_a"] is skipped["camp_b"] is None
    assert "first complete run" in (skipped["camp_new"] or "")
    assert report.gone.updated == 1


async def test_a_campaign_without_a_row_is_told_of(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    assert (await night_of(night)).doubts == []
    loans = night.loans
    night.loans = {each: data for each, data in loans.items() if data["whose"] == "camp_a"}
    report = await night_of(night)
    why = "the source has no row for 1 campaign that it held before (camp_b): nobody is judged to be gone there"
    assert (report.exit_code, report.gone.found, report.gone.skipped) == (0, 0, why)
    assert [each.campaign_id for each in report.campaigns] == ["camp_a"]
    assert why in report.doubts
    del night.loans[next(iter(night.loans))]
    report = await night_of(night)
    assert (report.gone.updated, report.gone.skipped) == (1, None)
    assert why in report.doubts
    night.loans = loans
    report = await night_of(night)
    assert (report.gone.skipped, report.records.updated) == (None, 1)
    assert not [each for each in report.doubts if "no row" in each]


async def test_too_many_end_only_the_part_of_their_campaign(tmp_path: Path, many: StandInProcess) -> None:
    night = await asyncio.to_thread(routed_night, tmp_path, many)
    await night_of(night)
    for each in list(night.loans)[:8:2]:
        del night.loans[each]
    del night.loans[list(night.loans)[-1]]
    report = await night_of(night, max_gone="3")
    assert {each.campaign_id: (each.exit_code, each.gone.updated) for each in report.campaigns} == {
        "camp_a": (0, 1),
        "camp_b": (65, 0),
    }
