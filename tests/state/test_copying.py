"""A copy of the journal: what it tells while a run goes on, and that it leaves nothing behind."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from engine.state import copying
from engine.state.copying import demand_journal, journal_copy
from engine.state.ledger_rows import LedgerRow
from engine.state.sqlite_journal import SqliteJournal
from engine.state.state_dir import DATABASE
from engine.values.errors import StateFailed


def files_in(state_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in state_dir.iterdir() if path.is_file()}


def test_it_tells_what_a_run_under_way_has_made_durable(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        journal.put_ledger(LedgerRow("first", 1, "ledger-1"))
        before = files_in(tmp_path)
        with journal_copy(tmp_path) as copy:
            assert copy.dir != tmp_path
            assert [row.target for row in copy.ledgers()] == ["first"]
            copy.put_ledger(LedgerRow("second", 1, "ledger-2"))
        assert not copy.dir.exists()
        assert files_in(tmp_path) == before
        assert [row.target for row in journal.ledgers()] == ["first"]


def test_a_journal_that_nobody_has_open_is_copied_as_well(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        journal.learn("name", 7)
    with journal_copy(tmp_path) as copy:
        assert copy.learned("name") == 7


def test_a_copy_that_a_checkpoint_has_disturbed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = copying._copy
    disturbed: list[bool] = []

    def copy_disturbed_once(state_dir: Path, place: Path) -> bool:
        is_whole = real(state_dir, place)
        if not disturbed:
            disturbed.append(True)
            (place / DATABASE).write_bytes(b"half")
            return False
        return is_whole

    with closing(SqliteJournal(tmp_path)) as journal:
        journal.learn("name", 7)
        monkeypatch.setattr(copying, "_copy", copy_disturbed_once)
        with journal_copy(tmp_path) as copy:
            assert copy.learned("name") == 7


def test_a_database_that_is_written_to_while_it_is_copied_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sent = os.sendfile, []

    def send_and_touch(target: int, source: int, offset: None, count: int) -> int:
        sent.append(count)
        with (tmp_path / DATABASE).open("ab") as file:
            file.write(bytes(4096))
        return real(target, source, offset, 4096)

    with closing(SqliteJournal(tmp_path)):
        pass
    monkeypatch.setattr(copying.os, "sendfile", send_and_touch)
    with pytest.raises(StateFailed, match="being written to"), journal_copy(tmp_path):
        pass
    assert len(sent) == copying.ATTEMPTS, "each was given up as soon as it was disturbed"


def test_without_a_journal_the_copy_is_empty(tmp_path: Path) -> None:
    with journal_copy(tmp_path / "state") as copy:
        assert copy.latest_runs(10) == []
    assert not (tmp_path / "state").exists()


def test_a_journal_that_is_damaged_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"half")
    with pytest.raises(StateFailed), journal_copy(tmp_path):
        pass


def test_runs_without_a_journal_are_a_failure_for_those_who_ask_it(tmp_path: Path) -> None:
    demand_journal(tmp_path / "nowhere")
    (tmp_path / "runs").mkdir()
    demand_journal(tmp_path)
    (tmp_path / "runs" / "20261123T020000Z-000001").mkdir()
    with pytest.raises(StateFailed, match="missing though there are runs"):
        demand_journal(tmp_path)
