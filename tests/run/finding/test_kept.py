"""What a state directory keeps of single ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run import sync
from engine.run.finding.kept import kept_of
from engine.simulator.process import StandInProcess
from engine.values import StateFailed
from tests.run.finding.settings_of import settings_of
from tests.run.test_ledger_of_run import delta_night


def test_nothing_is_known_where_nothing_is_kept(tmp_path: Path) -> None:
    with kept_of(settings_of(tmp_path, {"path": "a.csv", "id": "id"}), ["a"]) as kept:
        assert (kept.runs.here, kept.rows, kept.knowing("a"), kept.problems) == ([], {}, [], [])
        assert not kept.of("camp").knows("a")
    assert not (tmp_path / "state").exists()


def test_a_journal_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StateFailed), kept_of(settings_of(tmp_path, {"path": "a.csv", "id": "id"}), ["a"]):
        pass


async def test_the_ledger_and_the_order_of_runs_are_known(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    first, second = (await sync(night.settings)).run_id, (await sync(night.settings, full=True)).run_id
    some = next(iter(night.loans))
    with kept_of(night.settings, [some, "nobody"]) as every:
        kept = every.of(night.settings.api.campaign_id)
        assert [run.id for run in kept.runs] == [second, first]
        numbers = kept.numbers
        assert (kept.syncs_since(numbers[first]), kept.syncs_since(numbers[second])) == (1, 0)
        assert kept.doubt_since(numbers[first]) == f"since run {first}, 1 later run may have sent other values for it"
        assert not kept.doubt_since(numbers[first], blind_only=True), "what a run with delta sends is in the ledger"
        assert not kept.doubt_since(numbers[second])
        known = kept.in_ledger(some)
        assert known is not None
        assert (known.run_id, known.is_proven) == (second, True)
        assert kept.in_ledger("nobody") is None


async def test_a_ledger_that_is_lost_is_a_problem_and_no_error(tmp_path: Path, server: StandInProcess) -> None:
    night = delta_night(tmp_path, server)
    await sync(night.settings)
    for path in night.state_dir.glob("ledger-*"):
        path.unlink()
    with kept_of(night.settings, list(night.loans)) as kept:
        assert kept.of(night.settings.api.campaign_id).latest == {}
        assert "what it knew is lost" in kept.problems[0]
