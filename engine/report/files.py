"""The files of a report: `report.json` for programs, `report.html` for people."""

from __future__ import annotations

from pathlib import Path

from engine.report.page import render_page
from engine.report.report import REPORT_HTML, REPORT_JSON, Report, to_json
from engine.state import make_private_dir, write_private_file


def write_report(report: Report, run_dir: Path, *, previous: Report | None = None) -> None:
    """Write `report.json` and `report.html` into `run_dir`; `previous` is the run to compare with on the page.

    Raises:
        StateFailed: they cannot be written.
    """
    make_private_dir(run_dir)
    write_private_file(run_dir / REPORT_JSON, to_json(report))
    write_private_file(run_dir / REPORT_HTML, render_page(report, previous).encode())
