"""What is forgotten is sent again, and only that; what is erased is in no file of the ledger any more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.report.report import Report
from engine.run.forgetting import CAMPAIGN_ERASED, CAMPAIGN_FORGOTTEN, Forgotten, forget_campaigns, forget_ids
from engine.run.jobs.sync import sync
from engine.run.ledger_facts import ledgers_in
from engine.simulator.process import StandInProcess
from engine.state.sqlite_journal import SqliteJournal
from engine.values.errors import ConfigError, StateFailed
from tests.acceptance.portfolios import write_ndjson
from tests.run.nights import Night

DELTA = {"mode": "changed"}


async def forgetting(
    night: Night, what: Callable[[SqliteJournal], list[Forgotten]], *, first: bool = True
) -> tuple[list[Forgotten], Report]:
    """Forget something after a first night, and return what was done, and the report of the next night."""
    if first:
        await sync(night.settings)
    with closing(SqliteJournal(night.state_dir)) as journal:
        done = what(journal)
    return done, await sync(night.settings)


def state_bytes(night: Night) -> bytes:
    """All that stands in the files of the ledger and of the journal."""
    paths = [*night.state_dir.glob("ledger-*"), *night.state_dir.glob("journal*")]
    return b"".join(path.read_bytes() for path in paths)


async def test_an_id_is_sent_again_alone(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    [wanted, *_] = night.first_ids(1)
    done, report = await forgetting(night, lambda journal: forget_ids(journal, [wanted, "loan_nobody"]))
    assert done == [Forgotten(server.campaign_id, 1, ("loan_nobody",))]
    assert (report.records.updated, report.records.unchanged) == (1, 29)
    assert (report.delta.full, report.gone.found) == (False, 0)
    [facts] = ledgers_in(night.state_dir)
    assert (facts.ids, facts.good) == (30, 30)


async def test_a_campaign_is_a_full_send_that_says_so_once(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    done, report = await forgetting(night, lambda journal: forget_campaigns(journal, server.campaign_id))
    assert done == [Forgotten(server.campaign_id, 30)]
    assert (report.records.updated, report.delta.full, report.delta.full_reason) == (30, True, CAMPAIGN_FORGOTTEN)
    again = await sync(night.settings)
    assert (again.records.unchanged, again.delta.full) == (30, False)


async def test_who_is_gone_is_noticed_though_all_was_forgotten(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    write_ndjson(night.path, dict(list(night.loans.items())[2:]))
    _, report = await forgetting(night, lambda journal: forget_campaigns(journal, None), first=False)
    assert (report.records.updated, report.gone.found) == (28, 2)


async def test_another_campaign_is_left_alone_and_a_misnamed_one_is_a_mistake(
    tmp_path: Path, server: StandInProcess
) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    with closing(SqliteJournal(night.state_dir)) as journal:
        with pytest.raises(ConfigError, match=f"there are: {server.campaign_id}"):
            forget_campaigns(journal, "camp_misnamed")
        assert [row.forgotten for row in journal.ledgers()] == [""]


@pytest.mark.parametrize("killed", [False, True])
async def test_an_id_that_is_erased_is_nowhere(tmp_path: Path, server: StandInProcess, killed: bool) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    [wanted, *_] = night.first_ids(1)
    assert wanted.encode() in state_bytes(night)
    if killed:  # what such a process has acknowledged is in the journal, not merged
        with closing(SqliteJournal(night.state_dir)) as journal:
            journal.put_ledger(journal.ledgers()[0], [acknowledgement(journal, wanted)], run=1)
    with closing(SqliteJournal(night.state_dir)) as journal:
        forget_ids(journal, [wanted], erase=True)
    assert wanted.encode() not in state_bytes(night)
    assert list(night.first_ids(2))[1].encode() in state_bytes(night)
    [facts] = ledgers_in(night.state_dir)
    assert (facts.ids, facts.good) == (29, 29)
    report = await sync(night.settings)
    assert (report.records.updated, report.records.unchanged, report.delta.full) == (1, 29, False)


def acknowledgement(journal: SqliteJournal, record_id: str) -> bytes:
    """The change that this id was acknowledged with values that are none of its own."""
    from engine.ledger import acknowledged, encode_change, keys_of

    change = acknowledged(keys_of([record_id], journal.ledgers()[0].key), bytes([7] * 8), [record_id])
    assert change is not None
    return encode_change(change)


async def test_an_id_that_only_a_killed_run_has_acknowledged_is_known(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    with closing(SqliteJournal(night.state_dir)) as journal:
        journal.put_ledger(journal.ledgers()[0], [acknowledgement(journal, "loan_new")], run=1)
        assert forget_ids(journal, ["loan_new"]) == [Forgotten(server.campaign_id, 1)]


async def test_a_campaign_that_is_erased_begins_anew(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    with closing(SqliteJournal(night.state_dir)) as journal:
        forget_campaigns(journal, None, erase=True)
    assert not list(night.state_dir.glob("ledger-*"))
    assert not any(each.encode() in state_bytes(night) for each in night.loans)
    report = await sync(night.settings)
    assert (report.records.updated, report.delta.full_reason) == (30, CAMPAIGN_ERASED)
    assert "first complete run" in str(report.gone.skipped)


async def test_a_ledger_that_is_cut_is_erased_only_as_a_whole(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    [head] = night.state_dir.glob("ledger-*.head")
    head.write_bytes(b"")
    with closing(SqliteJournal(night.state_dir)) as journal:
        with pytest.raises(StateFailed, match="erase its campaign as a whole"):
            forget_ids(journal, list(night.first_ids(1)), erase=True)
        forget_campaigns(journal, server.campaign_id, erase=True)
    assert not list(night.state_dir.glob("ledger-*"))


async def test_an_interrupted_run_goes_again_over_what_it_has_left_out(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    second = await sync(night.settings)
    with closing(SqliteJournal(night.state_dir)) as journal:
        [run] = journal.latest_runs(1)
        assert (run.id, journal.counts(run).unchanged) == (second.run_id, 30)
        journal.save(run, worked_s=1.0, requests=run.requests, telemetry={}, finished=False, exit_code=75)
    _, report = await forgetting(night, lambda journal: forget_campaigns(journal, None), first=False)
    assert (report.run_id, report.records.updated) == (second.run_id, 30)
    assert (report.delta.full, report.delta.full_reason) == (True, CAMPAIGN_FORGOTTEN)
