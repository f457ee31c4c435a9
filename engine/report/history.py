"""The nights so far, by the reports they left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.report.report import REPORT_JSON, Report, from_json

REPORT_BYTES_MAX = 10_000_000
"""The most of a report file that is read; a real one is far smaller."""


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
