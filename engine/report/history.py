"""The nights so far, by the reports they leave: written at the end of one, read by `status` and the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.report.report import REPORT_HTML, REPORT_JSON, Report, from_json, to_json
from engine.state import make_private_dir, write_private_file

REPORT_BYTES_MAX = 10_000_000
"""The most of a report file that is read; a real one is far smaller."""


def write_report(report: Report, run_dir: Path, *, previous: Report | None = None) -> None:
    """Write `report.json` and `report.html` into `run_dir`; `previous` is the run to compare with on the page.

    Raises:
        StateFailed: they cannot be written.
    """
    from engine.report.page import render_page  # here: who reads reports needs no pictures

    make_private_dir(run_dir)
    write_private_file(run_dir / REPORT_JSON, to_json(report))
    write_private_file(run_dir / REPORT_HTML, render_page(report, previous).encode())


@dataclass(frozen=True, slots=True)
class Night:
    """One run directory: its report, or why there is none."""

    run_id: str
    report: Report | None = None
    problem: str = ""
    kind: str = "sync"
    """What kind of run it is, if there is no report to say it."""

    @property
    def status(self) -> str:
        """The status of the run: as reported, or `crashed` without a report, or `unreadable`."""
        if self.report:
            return self.report.status.value
        return "unreadable" if self.problem else "crashed"

    @property
    def begun_at(self) -> str:
        """When it began, in ISO 8601: as reported, or as its id says; empty when neither does."""
        if self.report:
            return self.report.started_at
        try:
            return datetime.strptime(self.run_id[:16], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")
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


def read_report(path: Path) -> Report | None:
    """Return the report at `path`; None if there is none.

    Raises:
        OSError, ValueError: it cannot be read, or is damaged.
    """
    try:
        with path.open("rb") as file:
            return from_json(file.read(REPORT_BYTES_MAX))
    except FileNotFoundError:
        return None


def _night(run_dir: Path) -> Night:
    try:
        return Night(run_dir.name, read_report(run_dir / REPORT_JSON))
    except (OSError, ValueError) as error:
        return Night(run_dir.name, problem=f"{run_dir / REPORT_JSON} cannot be read: {error}")


def latest_report(runs_dir: Path, wanted: Callable[[Report], bool]) -> Report | None:
    """Return the latest report beneath `runs_dir` that is `wanted`."""
    reports = (_night(run_dir).report for run_dir in reversed(_run_dirs(runs_dir)))
    return next((report for report in reports if report and wanted(report)), None)
