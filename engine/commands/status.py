"""`status`: the runs so far, by the reports they left and by what the journal knows. No run is disturbed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import orjson

from engine.commands.arguments import add_config_argument, write_result
from engine.commands.night_table import COLUMNS, latest_against_usual, table
from engine.report import (
    GONE_FILE,
    REPORT_JSON,
    Night,
    Report,
    RunStatus,
    counted,
    guard_override,
    ledger_text,
    local,
    next_steps,
    read_report,
    render_summary,
    shown,
    to_json,
    unread_text,
    zone_text,
)
from engine.run import all_nights
from engine.settings import as_duration, load
from engine.state import LOCK, REJECTED, RUNS, is_locked
from engine.values import ConfigError, EngineError, StateFailed

if TYPE_CHECKING:
    from engine.run import NextSync
    from engine.settings import Settings

_RESUMABLE = (RunStatus.INTERRUPTED, RunStatus.FAILED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_config_argument(parser)
    parser.add_argument("run_id", nargs="?", metavar="RUN_ID", help="show this run in full")
    parser.add_argument(
        "--since",
        type=since,
        metavar="WHEN",
        help="only runs begun since a date (2026-11-23) or in a span (7d, 12h)",
    )
    parser.add_argument("--utc", action="store_true", help="tell times in UTC instead of the local zone")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print one JSON object")
    forms.add_argument("--html", type=Path, metavar="FILE", help="write the page of all nights to this file")


def since(text: str) -> date | timedelta:
    """Read the value of `--since`, as an argument's `type`: a date, or a span back from now."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return timedelta(seconds=as_duration(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("must be a date such as 2026-11-23 or a span such as 7d or 12h") from None


def run(args: argparse.Namespace) -> int:
    """Print the runs, or the one that is asked for, or write the page of all of them, and return 0.

    Raises:
        ConfigError: the configuration is wrong, there is no such run, or the page cannot be written.
    """
    if args.run_id is not None and (args.html or args.since is not None):
        raise ConfigError("--html and --since are for all runs, not for the one that RUN_ID names")
    settings = load(args.config)
    state_dir = settings.state.dir
    zone = UTC if args.utc else None
    running = is_locked(state_dir / LOCK)
    found = _known(state_dir, running=running)
    recent = _since(found, args.since, zone)
    if args.html:
        text = write_page(recent, state_dir, args.html, zone)
    elif args.run_id is not None:
        text = one_run(found, args.run_id, state_dir, json=args.json, config_path=str(args.config), zone=zone)
    elif args.json:
        text = as_json(recent, waiting=waiting_runs(found), running=running)
    else:
        text = overview(
            recent,
            state_dir,
            str(args.config),
            waiting=waiting_runs(found),
            waits=lambda: _waiting_sync(settings),
            zone=zone,
            now=datetime.now(UTC),
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


def _known(state_dir: Path, *, running: bool) -> list[Night]:
    """Return all runs, the oldest first; while a process holds the lock, the latest that waits is under way."""
    found = all_nights(state_dir, running=running)
    under_way = _open_run(found) if running else None
    return [replace(night, under_way=True) if night is under_way else night for night in found]


def _since(found: Sequence[Night], when: date | timedelta | None, zone: tzinfo | None) -> list[Night]:
    """Return the runs that began since; those of which that is not known are kept."""
    if when is None:
        return list(found)
    if isinstance(when, timedelta):
        first = datetime.now(UTC) - min(when, timedelta(days=36_500))
    else:
        first = datetime(when.year, when.month, when.day, tzinfo=zone).astimezone(zone)
    return [night for night in found if (begun := local(night.begun_at)) is None or begun >= first]


def overview(
    found: Sequence[Night],
    state_dir: Path,
    config_path: str = "",
    *,
    waiting: Sequence[Night],
    waits: Callable[[], NextSync | None] = lambda: None,
    zone: tzinfo | None = None,
    now: datetime | None = None,
) -> str:
    """Return what `status` prints without a run: the table, what is unusual, and what needs a hand.

    `waits` tells what the next sync makes of one that waits, for those who want to know.
    """
    if not found:
        return (
            f"{state_dir}: no runs yet\n"
            if not waiting
            else "\n".join(_notes(found, waiting, state_dir, config_path, waits, zone))
        )
    parts = [latest_against_usual(found, zone), _notes(found, waiting, state_dir, config_path, waits, zone)]
    told = ["\n".join(lines) + "\n" for lines in parts if lines]
    return "\n".join([table(found, zone, now), *told])


def one_run(
    found: Sequence[Night],
    run_id: str,
    state_dir: Path,
    *,
    json: bool = False,
    config_path: str = "",
    zone: tzinfo | None = None,
) -> str:
    """Return the summary of a run, or its report as JSON; of one that has crashed, as far as the journal knows it.

    Raises:
        ConfigError: there is no such run, or its report cannot be read.
    """
    night = next((night for night in found if night.run_id == run_id), None)
    if night is None:
        raise ConfigError(f"{state_dir}: there is no run {shown(run_id)}; `status` without an id lists the runs")
    if night.report is None or night.under_way:
        advice = "is still under way" if night.under_way else "crashed before it left a report"
        raise ConfigError(night.problem or f"run {run_id} {advice}; `status` without an id shows what is resumable")
    run_dir = state_dir / RUNS / run_id
    report = read_report(run_dir / REPORT_JSON) or night.report  # the former with its timeline
    if json:
        return to_json(report).decode()
    summary = render_summary(report, run_dir=run_dir, config_path=config_path or report.config_path, width=COLUMNS)
    return f"Run {run_id}, {night.status}\n{_span(report, zone)}\n\n{summary}"


def _span(report: Report, zone: tzinfo | None) -> str:
    """Return from when to when a run went, such as `Mon 2026-11-23 02:00 to 02:07 IST`."""
    begun, ended = local(report.started_at, zone), local(report.finished_at, zone)
    if begun is None or ended is None:
        return f"{shown(report.started_at)} to {shown(report.finished_at)}"
    end = f"{ended:%H:%M}" if begun.date() == ended.date() else f"{ended:%a %Y-%m-%d %H:%M}"
    return f"{begun:%a %Y-%m-%d %H:%M} to {end} {zone_text(ended)}"


def write_page(found: Sequence[Night], state_dir: Path, file: Path, zone: tzinfo | None = None) -> str:
    """Write the page of these nights, whose links lead to the reports from wherever it is; return what to print.

    Raises:
        ConfigError: it cannot be written there.
    """
    from engine.report import write_history  # here: who reads the table needs no pictures

    runs_link = os.path.relpath((state_dir / RUNS).resolve(), file.parent.resolve())
    try:
        write_history(found, file, runs_link, zone)
    except StateFailed as error:
        raise ConfigError(f"--html: {error}") from error
    return f"{file}: the page of {counted(len(found), 'run')}\n"


def as_json(found: Sequence[Night], *, waiting: Sequence[Night] | None = None, running: bool = False) -> str:
    """Return all runs as one JSON object: `runs` (reports without their timelines), `resumable`, `rejected`, `running`.

    `running` is a run's id or null, `resumable` as well, or a list of ids if several wait (`waiting`; by default, those
    of `found`); `rejected` lists the ids of runs that left a `rejected.ndjson`. A run that left no report has the
    status `crashed` (or `running`) and what the journal knows of it; else only `run_id`, `status`, `started_at` and,
    when its report is damaged, `problem`. `records` are null where what was counted is deleted.
    """
    waiting_ids = [night.run_id for night in (waiting_runs(found) if waiting is None else waiting)]
    values = {
        "runs": [_as_value(night) for night in found],
        "running": waiting_ids[-1] if waiting_ids and running else None,
        "resumable": None if running or not waiting_ids else waiting_ids[0] if len(waiting_ids) == 1 else waiting_ids,
        "rejected": [night.run_id for night in found if night.report and night.report.not_accepted],
    }
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _as_value(night: Night) -> dict[str, Any]:
    value: dict[str, Any]
    if night.report is None:
        value = {"run_id": night.run_id, "status": night.status, "started_at": night.begun_at}
        return value | ({"problem": night.problem} if night.problem else {})
    value = orjson.loads(to_json(night.report))
    del value["timeline"]
    if night.crashed or night.under_way:
        value |= {"status": night.status, "exit_code": None}
    return value if night.counted else value | {"records": None}


def waiting_runs(found: Sequence[Night]) -> list[Night]:
    """Return the runs that did not come to their end and that no later run has closed, the oldest first.

    A sync closes whatever came before it, another run only those of its own kind.
    """
    waiting: list[Night] = []
    for night in found:
        waiting = [each for each in waiting if night.kind not in ("sync", each.kind)]
        if not _is_over(night):
            waiting.append(night)
    return waiting


def _is_over(night: Night) -> bool:
    report = night.report
    if report is None or night.crashed:
        return bool(night.problem)
    return report.status not in _RESUMABLE or report.left_nothing_to_resume or report.closed_by is not None


def _open_run(found: Sequence[Night]) -> Night | None:
    """Return the latest run that waits: while a process is at work, it works on that."""
    waiting = waiting_runs(found)
    return waiting[-1] if waiting else None


def _notes(
    found: Sequence[Night],
    waiting: Sequence[Night],
    state_dir: Path,
    config_path: str,
    waits: Callable[[], NextSync | None],
    zone: tzinfo | None,
) -> list[str]:
    """Say what needs a hand: damaged reports, a run to resume, records that were not accepted."""
    notes = [_folded(f"Unreadable: {night.problem}") for night in found if night.problem]
    if waiting and waiting[-1].under_way:
        notes.append(f"Under way: {waiting[-1].run_id}.")
    else:
        notes += [_resumable_note(night, config_path, waits() if night.kind == "sync" else None) for night in waiting]
    with_rejects = [night.report for night in found if night.report and night.report.not_accepted]
    if with_rejects:
        latest = with_rejects[-1]
        path = state_dir / RUNS / latest.run_id / REJECTED
        notes.append(f"Not accepted: {counted(latest.not_accepted, 'record')} of run {latest.run_id}, in\n  {path}")
    return [*notes, *_delta_notes(found, state_dir, zone)]


def _folded(text: str) -> str:
    """Return a note in lines that fit; what has no spaces, such as a path, stays whole."""
    return fill(text, COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _delta_notes(found: Sequence[Night], state_dir: Path, zone: tzinfo | None) -> list[str]:
    """Say who is gone and what the ledger holds, by the latest run that has compared its source with one."""
    reports = [night.report for night in found if night.report and night.report.delta.mode != "off"]
    if not reports:
        return []
    latest = reports[-1]
    notes = [_folded(f"Ledger: {ledger_text(latest, zone)}.")]
    if latest.gone.found:
        path = state_dir / RUNS / latest.run_id / GONE_FILE
        notes.insert(0, f"Gone: {counted(latest.gone.found, 'id')} in run {latest.run_id}, in\n  {path}")
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
            return f"{_folded(f'Not resumable as it is: {who}: {then.problem}.')}\n  To start over: {command}"
        if not then.continues:
            return f"{_folded(f'{who}: a sync {then.what}:')}\n  {command}"
        if override := guard_override(report):
            return (
                f"{_folded(f'Resumable: {who}, stopped by a guard.')}\n  If it is right as it is: {override} {command}"
            )
        return f"{_folded(f'Resumable: {who}.')}\n  Go on with: {command}"
    commands = [step.command for step in next_steps(report, config_path) if step.command]
    command = next(command for command in reversed(commands) if "--fresh" not in command)
    return f"{_folded(f'Resumable: {who}.')}\n  Go on with: {command}"
