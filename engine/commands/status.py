"""`status`: the runs so far, by the reports they left. Nothing else of the state is opened: no run is disturbed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from engine.commands.arguments import add_config_argument, write_result
from engine.report import (
    GONE_FILE,
    Night,
    Report,
    RunStatus,
    counted,
    ledger_text,
    moment_text,
    next_steps,
    nights,
    rate_text,
    render_summary,
    seconds_text,
    shown,
    to_json,
    unread_text,
)
from engine.settings import load
from engine.state import LOCK, REJECTED, RUNS, is_locked
from engine.values import ConfigError, EngineError

if TYPE_CHECKING:
    from engine.run import NextSync
    from engine.settings import Settings

RUNS_SHOWN_MAX = 30
"""The most runs in the table; `--json` has them all."""

_RESUMABLE = (RunStatus.INTERRUPTED, RunStatus.FAILED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_config_argument(parser)
    parser.add_argument("run_id", nargs="?", metavar="RUN_ID", help="show this run in full")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the runs, or the one that is asked for, and return 0.

    Raises:
        ConfigError: the configuration is wrong, or there is no such run.
    """
    settings = load(args.config)
    state_dir = settings.state.dir
    running = is_locked(state_dir / LOCK)
    text = status(
        state_dir,
        args.run_id,
        json=args.json,
        config_path=str(args.config),
        running=running,
        waits=lambda: _waiting_sync(settings),
    )
    write_result(text)
    return 0


def _waiting_sync(settings: Settings) -> NextSync | None:
    """Return what becomes of the sync that waits; None if none does, or nobody can tell."""
    from engine.run import waiting_sync

    try:
        return waiting_sync(settings)
    except (EngineError, OSError):
        return None  # a journal that cannot be read is told of by whoever needs it


def status(
    state_dir: Path,
    run_id: str | None = None,
    *,
    json: bool = False,
    config_path: str = "",
    running: bool = False,
    waits: Callable[[], NextSync | None] = lambda: None,
) -> str:
    """Return what `status` prints: all runs, or the one that is asked for; as a table, or as one JSON object.

    `running` says that a process holds the lock of the state directory, so the latest unfinished run is under way;
    `waits` tells what the next sync makes of one that waits, for those who want to know.

    Raises:
        ConfigError: there is no such run, or its report cannot be read.
    """
    found = nights(state_dir / RUNS)
    if not running:
        found = _with_derived(found, state_dir)
    if run_id is None and json:
        return as_json(found, running=running)
    if run_id is None:
        notes = _notes(found, state_dir, config_path, running=running, waits=waits)
        return "\n".join([table(found, running=running), *notes]) + "\n" if found else f"{state_dir}: no runs yet\n"
    chosen = next((night for night in found if night.run_id == run_id), None)
    if chosen is None:
        raise ConfigError(f"{state_dir}: there is no run {shown(run_id)}; `status` without an id lists the runs")
    if chosen.report is None:
        advice = "is still under way" if running and chosen is _open_run(found) else "crashed before it left a report"
        raise ConfigError(chosen.problem or f"run {run_id} {advice}; `status` without an id shows what is resumable")
    if json:
        return to_json(chosen.report).decode()
    report = chosen.report
    times = f"{moment_text(report.started_at)} to {moment_text(report.finished_at)}"
    summary = render_summary(report, run_dir=state_dir / RUNS / run_id, config_path=config_path or report.config_path)
    return f"Run {run_id}, {times}, {report.status.value}\n\n{summary}"


def as_json(found: Sequence[Night], *, running: bool = False) -> str:
    """Return all runs as one JSON object: `runs` (reports without their timelines), `resumable`, `rejected`, `running`.

    `running` is a run's id or null, `resumable` as well, or a list of ids if several wait; `rejected` lists the ids of
    runs that left a `rejected.ndjson`. A run without a report has only `run_id`, `status`, `started_at` and, when its
    report is damaged, `problem`.
    """
    runs = []
    for night in found:
        if night.report:
            run = orjson.loads(to_json(night.report))
            del run["timeline"]
        else:
            run = {"run_id": night.run_id, "status": night.status, "started_at": night.begun_at}
            run |= {"problem": night.problem} if night.problem else {}
        runs.append(run)
    waiting = [night.run_id for night in waiting_runs(found)]
    values = {
        "runs": runs,
        "running": waiting[-1] if waiting and running else None,
        "resumable": None if running or not waiting else waiting[0] if len(waiting) == 1 else waiting,
        "rejected": [night.run_id for night in found if night.report and night.report.not_accepted],
    }
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def waiting_runs(found: Sequence[Night]) -> list[Night]:
    """Return the runs that did not come to their end and that no later run has closed, the oldest first.

    A sync closes whatever came before it, another run only those of its own kind.
    """
    waiting: list[Night] = []
    for night in found:
        kind = _kind(night)
        waiting = [each for each in waiting if kind not in ("sync", _kind(each))]
        if not _is_over(night):
            waiting.append(night)
    return waiting


def _kind(night: Night) -> str:
    return night.report.kind if night.report else night.kind


def _is_over(night: Night) -> bool:
    report = night.report
    if report is None:
        return bool(night.problem)
    return report.status not in _RESUMABLE or report.left_nothing_to_resume or report.closed_by is not None


def _open_run(found: Sequence[Night]) -> Night | None:
    """Return the latest run that waits: while a process is at work, it works on that."""
    waiting = waiting_runs(found)
    return waiting[-1] if waiting else None


def _with_derived(found: Sequence[Night], state_dir: Path) -> list[Night]:
    """Return the nights with the reports that their processes did not live to write, as the journal tells them.

    A run that is not over has crashed: of that, only the kind is taken.
    """
    missing = {night.run_id for night in found if night.report is None and not night.problem}
    if not missing:
        return list(found)
    from engine.run import derived_reports

    try:
        derived = derived_reports(state_dir, missing)
    except (EngineError, OSError):
        derived = {}  # a journal that cannot be read is told of by whoever needs it
    return [_completed(night, derived.get(night.run_id)) for night in found]


def _completed(night: Night, derived: Report | None) -> Night:
    if derived is None:
        return night
    is_over = derived.status is not RunStatus.INTERRUPTED or derived.closed_by is not None
    return replace(night, kind=derived.kind, report=derived if is_over else None)


def table(found: Sequence[Night], *, running: bool = False) -> str:
    """Return the latest runs as an aligned table, the latest at the bottom, where a terminal ends."""
    open_run, latest = _open_run(found), found[-RUNS_SHOWN_MAX:]
    rows: list[tuple[str, ...]] = [
        ("RUN", "STARTED", "STATUS", "READ", "UPDATED", "UNCHANGED", "GONE", "NOT ACCEPTED", "TOOK", "RECORDS/S")
    ]
    rows += [_row(night, under_way=running and night is open_run) for night in latest]
    if not any(night.report and night.report.delta.mode != "off" for night in latest):
        rows = [(*row[:5], *row[7:]) for row in rows]  # nobody has looked for these
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [f"{text:<{width}}" for text, width in zip(row[:3], widths[:3], strict=True)]
        cells += [f"{text:>{width}}" for text, width in zip(row[3:], widths[3:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    if len(found) > RUNS_SHOWN_MAX:
        lines.insert(1, f"({counted(len(found) - RUNS_SHOWN_MAX, 'earlier run')} not shown)")
    return "\n".join(lines) + "\n"


def _row(night: Night, *, under_way: bool) -> tuple[str, ...]:
    report = night.report
    name = "running" if under_way else night.status
    if report is None:
        return (shown(night.run_id), moment_text(night.begun_at), name, *[""] * 7)
    records = report.records
    return (
        shown(night.run_id),
        moment_text(night.begun_at),
        f"{name} ({report.kind})" if report.kind != "sync" else name,
        f"{records.read:,}",
        f"{records.updated:,}",
        f"{records.unchanged:,}",
        f"{report.gone.found:,}",
        f"{report.not_accepted:,}",
        seconds_text(report.duration_s),
        rate_text(report.records_per_s),
    )


def _notes(
    found: Sequence[Night], state_dir: Path, config_path: str, *, running: bool, waits: Callable[[], NextSync | None]
) -> list[str]:
    """Say what needs a hand: damaged reports, a run to resume, records that were not accepted."""
    notes = [f"Unreadable: {night.problem}" for night in found if night.problem]
    waiting_now = waiting_runs(found)
    if waiting_now and running:
        notes.append(f"Under way: {waiting_now[-1].run_id}.")
    else:
        notes += [
            _resumable_note(night, config_path, waits() if _kind(night) == "sync" else None) for night in waiting_now
        ]
    waiting = [night.report for night in found if night.report and night.report.not_accepted]
    if waiting:
        latest = waiting[-1]
        path = state_dir / RUNS / latest.run_id / REJECTED
        notes.append(f"Not accepted: {counted(latest.not_accepted, 'record')} of run {latest.run_id}, in {path}")
    return [*notes, *_delta_notes(found, state_dir)]


def _delta_notes(found: Sequence[Night], state_dir: Path) -> list[str]:
    """Say who is gone and what the ledger holds, by the latest run that has compared its source with one."""
    reports = [night.report for night in found if night.report and night.report.delta.mode != "off"]
    if not reports:
        return []
    latest = reports[-1]
    notes = [f"Ledger: {ledger_text(latest)}."]
    if latest.gone.found:
        path = state_dir / RUNS / latest.run_id / GONE_FILE
        notes.insert(0, f"Gone: {counted(latest.gone.found, 'id')} in run {latest.run_id}, in {path}")
    return notes


def _resumable_note(open_run: Night, config_path: str, then: NextSync | None) -> str:
    """Say what waits, and the command that goes on with it; `then` is what a sync would make of it."""
    report = open_run.report or Report(run_id=open_run.run_id, status=RunStatus.INTERRUPTED, exit_code=75)
    parts = [open_run.status]
    if report.records.pending:
        parts.append(f"{counted(report.records.pending, 'record')} pending")
    if open_run.report and (unread := unread_text(report)):
        parts.append(f"not read: {unread}")
    who = f"{open_run.run_id} ({', '.join(parts)})"
    if then is not None:
        command = then.command(config_path or report.config_path or "config.toml")
        if then.problem:
            return f"Not resumable as it is: {who}: {then.problem}. To start over: {command}"
        return f"Resumable: {who}. Go on with: {command}" if then.continues else f"{who}: a sync {then.what}: {command}"
    command = next(step.command for step in reversed(next_steps(report, config_path)) if "--fresh" not in step.command)
    return f"Resumable: {who}. Go on with: {command}"
