"""The list of nights: what the reports of runs say, and of those that left none, what the journal knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from engine.outlets import Harmless, get_logger
from engine.report import INDEX_HTML, Night, Report, RunStatus, nights
from engine.run.derived import derived_report
from engine.state import DATABASE, RUNS, Journal, Run, journal_copy
from engine.values import EngineError

RUNS_IN_INDEX = 120
"""So many of the latest runs are looked at for the page of all nights: 30 nights of one that is run four times each."""

RUNS_LOOKED_AT = 1_000
"""So many of the latest runs of the journal at most are looked at."""


def renew_index(journal: Journal, state_dir: Path) -> None:
    """Write the page of all nights anew. No run fails because that fails: it is logged, and the old page stays."""
    from engine.report import write_history  # here: it is slow to import, and a run ends once

    with Harmless("writing the page of all nights"):
        try:
            found = with_journal(nights(state_dir / RUNS, RUNS_IN_INDEX), journal, RUNS_IN_INDEX)
            write_history(found[-RUNS_IN_INDEX:], state_dir / INDEX_HTML, RUNS)
        except EngineError as error:
            get_logger().warning("index_not_written", message=str(error))


def all_nights(state_dir: Path, *, running: bool) -> list[Night]:
    """Return every run of a state directory, the oldest first; the journal is read as a copy, so no run is disturbed.

    While a process is `running` the journal is left alone: what it knows is not the end of anything.
    """
    found = nights(state_dir / RUNS)
    if running or not (state_dir / DATABASE).is_file():
        return found
    with suppress(EngineError, OSError), journal_copy(state_dir) as journal:
        # A journal that cannot be read is told of by whoever needs it.
        return with_journal(found, journal, RUNS_LOOKED_AT)
    return found


def with_journal(found: Sequence[Night], journal: Journal, latest: int) -> list[Night]:
    """Return the nights with what the journal knows of those without a report, and of those without any file.

    Raises:
        StateFailed: the journal can't be read.
    """
    runs = {run.id: run for run in journal.latest_runs(latest)}
    listed = {night.run_id for night in found}
    completed = [
        _completed(night, runs[night.run_id], journal) if night.crashed and night.run_id in runs else night
        for night in found
    ]
    deleted = [_deleted(run, journal) for run in runs.values() if run.id not in listed]
    return sorted([*completed, *deleted], key=lambda night: night.run_id)


def _completed(night: Night, run: Run, journal: Journal) -> Night:
    """Return a night whose report is missing with what the journal tells: it has crashed only if nobody ended it."""
    report = replace(derived_report(journal, run), timeline=[])
    return replace(night, report=report, crashed=_has_crashed(run, report))


def _deleted(run: Run, journal: Journal) -> Night:
    """Return a run whose files somebody has deleted, or `state.keep_days`: then its chunks are forgotten, too."""
    report = replace(derived_report(journal, run), timeline=[])
    is_counted = report.records.read > 0 or not report.requests.sent
    return Night(run_id=run.id, report=report, crashed=_has_crashed(run, report), counted=is_counted)


def _has_crashed(run: Run, report: Report) -> bool:
    """Whether no process has ended a run: `derived_report` calls that interrupted, too."""
    return run.exit_code is None and report.status is RunStatus.INTERRUPTED and report.closed_by is None
