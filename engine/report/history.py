"""The nights so far, by the reports they leave: written at the end of one, read by `status` and the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from engine.report.report import REPORT_HTML, REPORT_JSON, Report, RunStatus, from_json, to_json
from engine.state import make_private_dir, write_private_file

INDEX_HTML = "index.html"
"""The page of all nights, in the state directory."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One run: its report, or what else is known of it."""

    run_id: str
    report: Report | None = None
    """As it was written; of a run that left none, what the journal tells; None if that is not known either."""
    problem: str = ""
    """Why its report cannot be read."""
    crashed: bool = False
    """Whether it came to no end: its process was killed, and none has gone on with it. (Or it is under way.)"""
    under_way: bool = False
    has_page: bool = False
    """Whether there is a report page to look at."""
    counted: bool = True
    """Whether the records in `report` are known: not, once `state.keep_days` has deleted what is known of them."""

    @property
    def status(self) -> str:
        """How it stands: as reported, or `running`, `crashed` without a report, or `unreadable`."""
        if self.under_way:
            return "running"
        if self.problem:
            return "unreadable"
        return "crashed" if self.crashed or self.report is None else self.report.status.value

    @property
    def kind(self) -> str:
        """What kind of run it is; a sync, if that is not known."""
        return self.report.kind if self.report else "sync"

    @property
    def is_of_all(self) -> bool:
        """Whether it was to bring the whole source: only such nights are compared."""
        return self.kind == "sync" and (self.report is None or self.report.limit is None)

    @property
    def is_complete(self) -> bool:
        """Whether it has brought the whole source, as far as that can be: what is usual is judged by these."""
        has_ended = self.report is not None and self.report.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
        return has_ended and self.is_of_all and self.counted and not (self.crashed or self.under_way)

    @property
    def begun_at(self) -> str:
        """When it began, in ISO 8601: as reported, or as its id says; empty when neither does."""
        if self.report:
            return self.report.started_at
        try:
            return datetime.strptime(self.run_id[:16], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            return ""


def nights(runs_dir: Path, latest: int | None = None) -> list[Night]:
    """Return every run beneath `runs_dir`, or the `latest` ones, the oldest first, without their timelines.

    None when the directory does not exist.
    """
    found = _run_dirs(runs_dir)
    return [_without_timeline(_night(run_dir)) for run_dir in (found if latest is None else found[-latest:])]


def _without_timeline(night: Night) -> Night:
    """Return `night` without the longest part of its report, which is of no use among others."""
    return replace(night, report=replace(night.report, timeline=[])) if night.report else night


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
    has_page = (run_dir / REPORT_HTML).is_file()
    try:
        report = read_report(run_dir / REPORT_JSON)
    except (OSError, ValueError) as error:
        problem = f"{run_dir / REPORT_JSON} cannot be read: {error}"
        return Night(run_id=run_dir.name, problem=problem, has_page=has_page)
    return Night(run_id=run_dir.name, report=report, crashed=report is None, has_page=has_page)


def latest_report(runs_dir: Path, wanted: Callable[[Report], bool]) -> Report | None:
    """Return the latest report beneath `runs_dir` that is `wanted`."""
    reports = (_night(run_dir).report for run_dir in reversed(_run_dirs(runs_dir)))
    return next((report for report in reports if report and wanted(report)), None)
