"""Reports that were not written by those who should have: made from the journal, and never in the way of anybody."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine.report.history import read_report, write_report
from engine.report.report import RunStatus
from engine.run.derived import derived_report, write_missing_reports
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RequestCounts
from tests.state.results import new_run, record, requests, result


def finished(state: Path, *failed: str) -> SqliteJournal:
    """A journal with a run that has come to its end, whose process was killed before it wrote a report."""
    journal, run = SqliteJournal(state), new_run(1)
    journal.begin(run)
    record(journal, run, result(0, "a", "b", failed=failed))
    seen = {"latency_counts": {"3": 2}, "latency_sum_ms": 20.0, "latency_max_ms": 12.0, "quiet_s": 1.5}
    exit_code = 3
    journal.save(
        run, worked_s=9.0, requests=requests(2), telemetry=seen, ended=True, finished=True, exit_code=exit_code
    )
    return journal


def test_it_tells_what_the_journal_knows(tmp_path: Path) -> None:
    with closing(finished(tmp_path, "b")) as journal:
        [run] = journal.latest_runs(1)
        report = derived_report(journal, run)
    assert (report.run_id, report.status, report.exit_code) == (run.id, RunStatus.PARTIAL, 3)
    assert (report.records.updated, report.records.rejected, report.records.pending) == (1, 1, 0)
    assert (report.duration_s, report.throttled_s, report.requests) == (9.0, 1.5, requests(2))
    assert report.latency_ms is not None
    assert [reason.outcome for reason in report.reasons if reason.outcome == "rejected"] == ["rejected"]


def test_a_run_that_was_killed_is_interrupted(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        run = new_run(1)
        journal.begin(run)
        journal.save(run, worked_s=1.0, requests=RequestCounts(sent=2, succeeded=1, failed=1), telemetry={})
        [found] = journal.latest_runs(1)
        report = derived_report(journal, found)
    assert (report.status, report.exit_code, report.message) == (RunStatus.INTERRUPTED, 75, "the process was killed")
    assert report.finished_at > report.started_at


def test_only_missing_reports_are_written(tmp_path: Path) -> None:
    with closing(finished(tmp_path)) as journal:
        [run] = journal.latest_runs(1)
        write_missing_reports(journal, [run])
        run_dir = journal.run_dir(run.id)
        report = read_report(run_dir / "report.json")
        assert report == derived_report(journal, run)
        assert (run_dir / "report.html").exists()
        own = replace(report, message="written by the run itself")
        write_report(own, run_dir)
        write_missing_reports(journal, [run])
        assert read_report(run_dir / "report.json") == own


def test_a_closed_run_says_who_has_closed_it(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        first, second = new_run(1), new_run(2)
        journal.begin(first)
        write_missing_reports(journal, journal.latest_runs(1))
        journal.begin(second)
        write_missing_reports(journal, [run for run in journal.latest_runs(2) if run.finished])
        report = read_report(journal.run_dir(first.id) / "report.json")
        assert report is not None
        assert report.closed_by == second.id


def test_what_somebody_has_deleted_does_not_come_back(tmp_path: Path) -> None:
    with closing(finished(tmp_path)) as journal:
        [run] = journal.latest_runs(1)
        shutil.rmtree(journal.run_dir(run.id))
        write_missing_reports(journal, [run])
        assert not journal.run_dir(run.id).exists()


def test_a_damaged_report_is_left_as_it_is(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        first = new_run(1)
        journal.begin(first)
        path = journal.run_dir(first.id) / "report.json"
        path.write_bytes(b"{")
        journal.begin(new_run(2))
        write_missing_reports(journal, journal.latest_runs(2)[:1])
        assert path.read_bytes() == b"{"
