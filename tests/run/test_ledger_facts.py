"""What a ledger is said to hold, after a night, after another, and while a run goes on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from engine.ledger import Voided, encode_change, keys_of
from engine.run.jobs.sync import sync
from engine.run.ledger_facts import FILES_MISSING, ledger_for, ledgers_in
from engine.run.opened_ledger import MAPPING_CHANGED
from engine.simulator.process import StandInProcess
from engine.state.journal import LedgerChanges
from engine.state.sqlite_journal import SqliteJournal
from tests.acceptance.portfolios import write_ndjson
from tests.run.nights import Night

DELTA = {"mode": "changed"}


def test_nothing_is_known_before_the_first_run_and_nothing_is_made(tmp_path: Path) -> None:
    assert ledgers_in(tmp_path / "state") == []
    assert not (tmp_path / "state").exists()


async def test_after_a_night_it_holds_what_was_acknowledged(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    report = await sync(night.settings)
    [facts] = ledgers_in(night.state_dir)
    assert (facts.url, facts.org_id, facts.campaign_id) == (server.url, None, server.campaign_id)
    assert (facts.ids, facts.good, facts.gone, facts.full_reason) == (30, 30, 0, None)
    assert facts.last_full_at == report.started_at
    sizes = [path.stat().st_size for path in night.state_dir.glob("ledger-*")]
    assert facts.bytes == sum(sizes) > 30 * 16
    [feed] = facts.feeds
    assert (feed.name, feed.holds) == (str(night.path), "portfolio")
    assert (feed.last_complete_run, feed.last_run_at) == (report.run_id, report.started_at)


async def test_who_is_gone_is_still_held_but_not_good(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    gone = night.first_ids(3)
    write_ndjson(night.path, {each: data for each, data in night.loans.items() if each not in gone})
    await sync(night.settings)
    [facts] = ledgers_in(night.state_dir)
    assert (facts.ids, facts.good, facts.gone) == (30, 27, 3)


async def test_what_is_not_merged_yet_counts_while_a_run_goes_on(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    with closing(SqliteJournal(night.state_dir)) as journal:  # as a run has it
        [row] = journal.ledgers()
        change = encode_change(Voided(keys_of(list(night.first_ids(4)), row.key)))
        journal.change_ledger(LedgerChanges(row.target, [change]), 7)
        [facts] = ledgers_in(night.state_dir)
    assert (facts.ids, facts.good) == (30, 26)


async def test_the_ledger_of_another_mapping_is_good_for_nothing(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    facts = ledger_for(night.settings)
    assert facts is not None
    assert (facts.good, facts.full_reason) == (30, None)
    other = Night(tmp_path, server, delta=DELTA, source={"path": str(night.path), "id": "id"})
    facts = ledger_for(other.settings)
    assert facts is not None
    assert (facts.good, facts.full_reason) == (0, MAPPING_CHANGED)
    assert ledger_for(Night(tmp_path, server).settings) is None, "delta is off"


async def test_files_that_are_missing_are_a_full_send_to_come(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    for path in night.state_dir.glob("ledger-*"):
        path.unlink()
    [facts] = ledgers_in(night.state_dir)
    assert (facts.good, facts.full_reason, facts.bytes) == (0, FILES_MISSING, 0)
