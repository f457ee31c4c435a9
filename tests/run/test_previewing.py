"""A preview comes to what the run comes to, and leaves the state as it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.reading.plan import PassHere
from engine.report.report import Gone
from engine.run.job import reading_of
from engine.run.jobs.sync import sync
from engine.run.previewing import preview
from engine.simulator.process import StandInProcess
from engine.state.sqlite_journal import SqliteJournal
from engine.values.errors import SourceUntrusted
from tests.acceptance.portfolios import write_ndjson
from tests.run.nights import Night

DELTA: dict[str, Any] = {"mode": "changed"}


def previewed(
    night: Night, *, full: bool = False, limit: int | None = None
) -> tuple[dict[str, int], int, str | None, Gone, SourceUntrusted | None]:
    """What would be sent and why, how much would be left out, why all would be sent, and who would be gone."""
    reading = reading_of(night.settings, limit)
    source = reading.open()
    with preview(night.settings, source, full=full, limit=limit) as found:
        assert found is not None
        pass_, unchanged = PassHere(reading.cutting, source), 0
        for chunk in pass_.chunks(found.comparing):
            found.add(chunk)
            unchanged += chunk.unchanged
        return dict(+found.counts), unchanged, found.full_reason, *found.judge(pass_.presence, source)


def state_of(night: Night) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in night.state_dir.rglob("*") if path.is_file()}


def test_with_delta_off_there_is_none(tmp_path: Path) -> None:
    night = Night(tmp_path)
    with preview(night.settings, reading_of(night.settings, None).open(), full=False, limit=None) as found:
        assert found is None


def test_before_the_first_run_everything_is_new_and_no_state_is_made(tmp_path: Path) -> None:
    night = Night(tmp_path, delta=DELTA)
    counts, unchanged, full_reason, gone, error = previewed(night)
    assert (counts, unchanged, full_reason) == ({"new": 30}, 0, "nothing was acknowledged yet")
    assert "first complete run" in str(gone.skipped)
    assert error is None
    assert not night.state_dir.exists()


async def test_what_has_changed_what_is_new_and_who_is_gone(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    loans = dict(list(night.loans.items())[3:])
    changed = list(loans)[:4]
    write_ndjson(night.path, loans | {each: {"amount": 1} for each in (*changed, "loan_new")})
    before = state_of(night)
    with closing(SqliteJournal(night.state_dir)):  # a run under way does not keep anybody from looking
        counts, unchanged, full_reason, gone, error = await in_a_thread(night)
    assert (counts, unchanged, full_reason, error) == ({"new": 1, "changed": 4}, 23, None, None)
    assert (gone.found, gone.new, gone.skipped) == (3, 3, None)
    assert {name: data for name, data in state_of(night).items() if "journal" not in name} == {
        name: data for name, data in before.items() if "journal" not in name
    }
    report = await sync(night.settings)
    assert (report.records.updated, report.records.unchanged, report.gone.found) == (5, 23, 3)


async def in_a_thread(night: Night, **how: Any) -> Any:
    import asyncio

    return await asyncio.to_thread(previewed, night, **how)


async def test_a_full_send_and_the_first_records_only(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    counts, unchanged, full_reason, _, _ = await in_a_thread(night, full=True)
    assert (counts, unchanged, full_reason) == ({"same": 30}, 0, "it was asked for (--full)")
    counts, unchanged, _, gone, _ = await in_a_thread(night, limit=7)
    assert (counts, unchanged) == ({}, 7)
    assert "--limit" in str(gone.skipped)


async def test_what_a_killed_run_has_acknowledged_counts_and_is_not_merged_here(
    tmp_path: Path, server: StandInProcess
) -> None:
    from engine.ledger import Voided, encode_change, keys_of

    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    with closing(SqliteJournal(night.state_dir)) as journal:
        [row] = journal.ledgers()
        journal.put_ledger(row, [encode_change(Voided(keys_of(list(night.first_ids(2)), row.key)))])
    before = state_of(night)
    counts, unchanged, _, _, _ = await in_a_thread(night)
    assert (counts, unchanged) == ({"unproven": 2}, 28)
    assert state_of(night) == before


async def test_more_gone_than_the_guard_allows(tmp_path: Path, server: StandInProcess) -> None:
    delta = DELTA | {"gone": {"payment_status": "closed"}}
    night = Night(tmp_path, server, delta=delta, guard={"max_gone": 2})
    await sync(night.settings)
    write_ndjson(night.path, dict(list(night.loans.items())[15:]))
    _, _, _, gone, error = await in_a_thread(night)
    assert (gone.found, gone.updated) == (15, 0)
    assert error is not None
    assert "guard.max_gone" in str(error)


@pytest.mark.parametrize("damage", [b"", b"x" * 100])
async def test_a_damaged_ledger_is_a_full_send_that_says_so(
    tmp_path: Path, server: StandInProcess, damage: bytes
) -> None:
    night = Night(tmp_path, server, delta=DELTA)
    await sync(night.settings)
    [file] = night.state_dir.glob("ledger-*.digests")
    file.write_bytes(damage)
    counts, _, full_reason, _, _ = await in_a_thread(night)
    assert counts == {"new": 30}
    assert "cannot be used" in str(full_reason)
    assert file.read_bytes() == damage
