"""The list of nights: what a run directory tells, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.report.history import Night, nights, write_report
from engine.report.report import RunStatus
from tests.report.nights_told import crashed, night_of, report_of
from tests.reports import partial_report


def test_a_night_is_told_without_its_timeline_and_whether_it_has_a_page(tmp_path: Path) -> None:
    report = partial_report()
    write_report(report, tmp_path / report.run_id)
    [night] = nights(tmp_path)
    assert night.report == replace(report, timeline=[])
    assert (night.status, night.has_page, night.is_of_all, night.is_complete) == ("partial", True, True, True)
    (tmp_path / report.run_id / "report.html").unlink()
    assert not nights(tmp_path)[0].has_page


def test_the_latest_can_be_asked_for(tmp_path: Path) -> None:
    for day in range(5):
        write_report(report_of(day), tmp_path / report_of(day).run_id)
    assert [night.run_id for night in nights(tmp_path, 2)] == [report_of(3).run_id, report_of(4).run_id]


@pytest.mark.parametrize(
    ("night", "status", "complete"),
    [
        (night_of(0), "succeeded", True),
        (night_of(0, status=RunStatus.FAILED, exit_code=65), "failed", False),
        (night_of(0, limit=10), "succeeded", False),
        (night_of(0, kind="push"), "succeeded", False),
        (crashed(0), "crashed", False),
        (replace(crashed(0), under_way=True), "running", False),
        (replace(night_of(0), counted=False), "succeeded", False),
        (Night(run_id="x"), "crashed", False),
        (Night(run_id="x", problem="damaged"), "unreadable", False),
    ],
)
def test_how_a_night_stands(night: Night, status: str, complete: bool) -> None:
    assert (night.status, night.is_complete) == (status, complete)


def test_when_it_began_is_told_by_its_id_if_nothing_else_does() -> None:
    assert Night(run_id="20261123T020000Z-07b3f9").begun_at == "2026-11-23T02:00:00Z"
    assert Night(run_id="mine").begun_at == ""
