"""The files of a report: `report.json` for programs, `report.html` for people."""

from __future__ import annotations

from pathlib import Path

from engine import private_files, report_page
from engine.report import REPORT_HTML, REPORT_JSON, Report, to_json


def write(report: Report, run_dir: Path, *, previous: Report | None = None) -> None:
    """Write `report.json` and `report.html` into `run_dir`; `previous` is the run to compare with on the page.

    Raises:
        StateFailed: they cannot be written.
    """
    private_files.make_dir(run_dir)
    private_files.write(run_dir / REPORT_JSON, to_json(report))
    private_files.write(run_dir / REPORT_HTML, report_page.render(report, previous).encode())
