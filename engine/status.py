"""`status`: the runs so far, by the reports they left. Nothing else of the state is opened: no run is disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from engine import summary
from engine.errors import ConfigError
from engine.report import REPORT_JSON, Report, RunStatus, from_json, to_json
from engine.wording import counted, moment_text, next_steps, rate_text, seconds_text, shown

RUNS_SHOWN_MAX = 30
"""The most runs in the table; `--json` has them all."""

REPORT_BYTES_MAX = 10_000_000
"""The most of a report file that is read; a real one is far smaller."""

_RESUMABLE = (RunStatus.INTERRUPTED, RunStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Night:
    """One run directory: its report, or why there is none."""

    run_id: str
    report: Report | None = None
    problem: str = ""

    @property
    def status(self) -> str:
        """The status of the run: as reported, or `crashed` without a report, or `unreadable`."""
        if self.report:
            return self.report.status.value
        return "unreadable" if self.problem else "crashed"

    @property
    def begun_at(self) -> str:
        """When it began, in ISO 8601: as reported, or as its id says; empty when neither does."""
        return self.report.started_at if self.report else _begun_at(self.run_id)


def _begun_at(run_id: str) -> str:
    """Return the moment in an id such as `20261123T020000Z-07b3f9`, in ISO 8601; empty if there is none."""
    try:
        return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return ""


def nights(runs_dir: Path) -> list[Night]:
    """Return every run beneath `runs_dir`, the oldest first; none when the directory does not exist."""
    return [_night(run_dir) for run_dir in _run_dirs(runs_dir)]


def _run_dirs(runs_dir: Path) -> list[Path]:
    try:
        return sorted(path for path in runs_dir.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _night(run_dir: Path) -> Night:
    try:
        with (run_dir / REPORT_JSON).open("rb") as file:
            data = file.read(REPORT_BYTES_MAX)
        return Night(run_dir.name, from_json(data))
    except FileNotFoundError:
        return Night(run_dir.name)
    except (OSError, ValueError) as error:
        return Night(run_dir.name, problem=f"{run_dir / REPORT_JSON} cannot be read: {error}")


def previous_report(runs_dir: Path, run_id: str) -> Report | None:
    """Return the report of the latest `sync` run before `run_id` that left one, to compare with."""
    for run_dir in reversed(_run_dirs(runs_dir)):
        report = _night(run_dir).report if run_dir.name < run_id else None
        if report and report.kind == "sync":
            return report
    return None


def status(
    state_dir: Path, run_id: str | None = None, *, json: bool = False, config_path: str = "", running: bool = False
) -> str:
    """Return what `status` prints: all runs, or the one that is asked for; as a table, or as one JSON object.

    `running` says that a process holds the lock of the state directory, so the latest unfinished run is under way.

    Raises:
        ConfigError: there is no such run, or its report cannot be read.
    """
    found = nights(state_dir / "runs")
    if run_id is None:
        return as_json(found, running=running) if json else _overview(found, state_dir, config_path, running=running)
    chosen = next((night for night in found if night.run_id == run_id), None)
    if chosen is None:
        raise ConfigError(f"{state_dir}: there is no run {shown(run_id)}; `status` without an id lists the runs")
    if chosen.report is None:
        advice = "is still under way" if running and chosen is _open_run(found) else "crashed before it left a report"
        raise ConfigError(chosen.problem or f"run {run_id} {advice}; `status` without an id shows what is resumable")
    return to_json(chosen.report).decode() if json else detail(chosen.report, state_dir, config_path)


def detail(report: Report, state_dir: Path, config_path: str = "") -> str:
    """Return one run in full, as its own summary."""
    run_dir = state_dir / "runs" / report.run_id
    times = f"{moment_text(report.started_at)} to {moment_text(report.finished_at)}"
    heading = f"Run {report.run_id}, {times}, {report.status.value}"
    return f"{heading}\n\n{summary.render(report, run_dir=run_dir, config_path=config_path or report.config_path)}"


def as_json(found: Sequence[Night], *, running: bool = False) -> str:
    """Return all runs as one JSON object: `runs` (reports without their timelines), `resumable`, `rejected`, `running`.

    `resumable` and `running` are a run's id or null; `rejected` lists the ids of runs that left a `rejected.ndjson`. A
    run without a report has only `run_id`, `status`, `started_at` and, when its report is damaged, `problem`.
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
    open_run = _open_run(found)
    values = {
        "runs": runs,
        "running": open_run.run_id if open_run and running else None,
        "resumable": open_run.run_id if open_run and not running else None,
        "rejected": [night.run_id for night in found if night.report and night.report.not_accepted],
    }
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _open_run(found: Sequence[Night]) -> Night | None:
    """Return the latest run if it did not come to its end; a later run closes every earlier one."""
    latest = found[-1] if found else None
    if latest is None or latest.problem or (latest.report and latest.report.status not in _RESUMABLE):
        return None
    return latest


def _overview(found: Sequence[Night], state_dir: Path, config_path: str, *, running: bool) -> str:
    if not found:
        return f"{state_dir}: no runs yet\n"
    notes = _notes(found, state_dir, config_path, running=running)
    return "\n".join([table(found, running=running), *notes]) + "\n"


def table(found: Sequence[Night], *, running: bool = False) -> str:
    """Return the latest runs as an aligned table, the latest at the bottom, where a terminal ends."""
    rows = [("RUN", "STARTED", "STATUS", "READ", "UPDATED", "NOT ACCEPTED", "TOOK", "RECORDS/S")]
    open_run = _open_run(found)
    rows += [_row(night, under_way=running and night is open_run) for night in found[-RUNS_SHOWN_MAX:]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [f"{text:<{width}}" for text, width in zip(row[:3], widths[:3], strict=True)]
        cells += [f"{text:>{width}}" for text, width in zip(row[3:], widths[3:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    if len(found) > RUNS_SHOWN_MAX:
        lines.insert(1, f"({counted(len(found) - RUNS_SHOWN_MAX, 'earlier run')} not shown)")
    return "\n".join(lines) + "\n"


def _row(night: Night, *, under_way: bool) -> tuple[str, str, str, str, str, str, str, str]:
    report = night.report
    name = "running" if under_way else night.status
    if report is None:
        return (shown(night.run_id), moment_text(night.begun_at), name, "", "", "", "", "")
    records = report.records
    return (
        shown(night.run_id),
        moment_text(night.begun_at),
        f"{name} ({report.kind})" if report.kind != "sync" else name,
        f"{records.read:,}",
        f"{records.updated:,}",
        f"{report.not_accepted:,}",
        seconds_text(report.duration_s),
        rate_text(report.records_per_s),
    )


def _notes(found: Sequence[Night], state_dir: Path, config_path: str, *, running: bool) -> list[str]:
    """Say what needs a hand: damaged reports, a run to resume, records that were not accepted."""
    notes = [f"Unreadable: {night.problem}" for night in found if night.problem]
    open_run = _open_run(found)
    if open_run and running:
        notes.append(f"Under way: {open_run.run_id}.")
    elif open_run:
        notes.append(_resumable_note(open_run, config_path))
    waiting = [night.report for night in found if night.report and night.report.not_accepted]
    if waiting:
        latest = waiting[-1]
        path = state_dir / "runs" / latest.run_id / "rejected.ndjson"
        notes.append(f"Not accepted: {counted(latest.not_accepted, 'record')} of run {latest.run_id}, in {path}")
    return notes


def _resumable_note(open_run: Night, config_path: str) -> str:
    report = open_run.report or Report(run_id=open_run.run_id, status=RunStatus.INTERRUPTED, exit_code=75)
    pending = f", {counted(report.records.pending, 'record')} pending" if report.records.pending else ""
    command = next(step.command for step in reversed(next_steps(report, config_path)) if "--fresh" not in step.command)
    return f"Resumable: {open_run.run_id} ({open_run.status}{pending}). Go on with: {command}"
