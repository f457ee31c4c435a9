"""The list of nights: reports where there are any, else what the journal knows; and the page that is made of it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from engine.report.history import Night, write_report
from engine.run.derived import derived_report
from engine.run.night_list import all_nights, renew_index, with_journal
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RequestCounts
from tests.reports import succeeded_report
from tests.state.results import new_run, record, requests, result


def begun(journal: SqliteJournal, number: int, *ids: str, ended: bool = False) -> str:
    """Begin a run that delivers these ids; without `ended`, its process is killed then. Return its id."""
    run = new_run(number)
    journal.begin(run)
    record(journal, run, result(0, *ids))
    if ended:
        journal.save(run, worked_s=9.0, requests=requests(1), telemetry={}, ended=True, finished=True, exit_code=0)
    return run.id


def told(nights: list[Night]) -> list[tuple[str, str, int | None]]:
    return [(night.run_id, night.status, night.report.records.updated if night.report else None) for night in nights]


def test_of_a_run_that_left_no_report_the_journal_tells(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        begun(journal, 1, "a", ended=True)
        begun(journal, 2, "a", "b")
    assert told(all_nights(tmp_path, running=False)) == [("run-1", "succeeded", 1), ("run-2", "crashed", 2)]


def test_while_a_process_is_at_work_the_journal_is_left_alone(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        begun(journal, 1, "a")
        assert told(all_nights(tmp_path, running=True)) == [("run-1", "crashed", None)]


def test_a_written_report_is_what_counts(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        run_id = begun(journal, 1, "a", ended=True)
        write_report(succeeded_report(run_id=run_id), journal.run_dir(run_id))
    assert told(all_nights(tmp_path, running=False)) == [("run-1", "succeeded", 1_000_000)]


def test_runs_whose_files_are_deleted_still_show(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        begun(journal, 1, "a", ended=True)
        begun(journal, 2, "a", ended=True)
    shutil.rmtree(tmp_path / "runs")
    [first, second] = all_nights(tmp_path, running=False)
    assert told([first, second]) == [("run-1", "succeeded", 1), ("run-2", "succeeded", 1)]
    assert not first.has_page


def test_of_a_run_that_is_forgotten_but_for_its_row_no_counts_are_told(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        run = new_run(1)
        journal.begin(run)
        journal.save(run, worked_s=9.0, requests=requests(1), telemetry={}, ended=True, finished=True, exit_code=0)
        shutil.rmtree(journal.run_dir(run.id))
        [night] = with_journal([], journal, 5)
    assert (night.status, night.counted) == ("succeeded", False)


def test_a_look_from_outside_changes_nothing(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        begun(journal, 1, "a", ended=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(all_nights(tmp_path, running=False)) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_journal_that_cannot_be_read_is_no_reason_to_tell_nothing(tmp_path: Path) -> None:
    write_report(succeeded_report(run_id="run-1"), tmp_path / "runs" / "run-1")
    (tmp_path / "journal.sqlite3").write_bytes(b"no database")
    assert told(all_nights(tmp_path, running=False)) == [("run-1", "succeeded", 1_000_000)]


def test_the_page_is_private_and_made_at_once(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        run_id = begun(journal, 1, "a", "b")
        renew_index(journal, tmp_path)
    page = tmp_path / "index.html"
    assert page.stat().st_mode & 0o777 == 0o600
    assert "2 records had been updated by then" in page.read_text(encoding="utf-8")
    assert run_id in page.read_text(encoding="utf-8")
    assert not list(tmp_path.glob(".index.html*"))


def test_a_page_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.html").mkdir()
    (tmp_path / "index.html" / "mine").touch()
    with closing(SqliteJournal(tmp_path)) as journal:
        begun(journal, 1, "a", ended=True)
        renew_index(journal, tmp_path)
    assert [path.name for path in (tmp_path / "index.html").iterdir()] == ["mine"]


def test_what_was_wanted_of_a_run_that_was_killed_is_known(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        run = new_run(1)
        run.identity = {**run.identity, "--limit": 500}
        journal.begin(run)
        journal.save(run, worked_s=1.0, requests=RequestCounts(), telemetry={})
        assert derived_report(journal, journal.latest_runs(1)[0]).limit == 500
        [night] = with_journal([Night(run_id=run.id, crashed=True)], journal, 5)
    assert not night.is_of_all
