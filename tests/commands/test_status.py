"""`status`: the nights so far, from whatever their runs left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.commands.status import RUNS_SHOWN_MAX, as_json, status, table
from engine.report.history import Night, latest_report, nights, write_report
from engine.report.report import Report, RunStatus
from engine.report.source import Input, Unread
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import ConfigError
from tests.reports import delta_report, partial_report, succeeded_report

FIRST, SECOND, THIRD = (f"2026112{day}T020000Z-00000{day}" for day in (1, 2, 3))
START_OF_SECOND = ("2026-11-22", "02:00", "UTC")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def interrupted(run_id: str) -> Report:
    records = RecordCounts(read=1_000_000, updated=600_000, pending=400_000)
    inputs, unread = [Input(path="loans.csv", bytes=100_000_000)], Unread(bytes=50_000_000)
    return succeeded_report(
        run_id=run_id, status=RunStatus.INTERRUPTED, exit_code=75, records=records, inputs=inputs, unread=unread
    )


def keep(runs: Path, *reports: Report) -> None:
    for report in reports:
        write_report(report, runs / report.run_id)


def test_no_runs_yet(tmp_path: Path) -> None:
    assert status(tmp_path) == f"{tmp_path}: no runs yet\n"
    assert json.loads(status(tmp_path, json=True)) == {"runs": [], "running": None, "resumable": None, "rejected": []}


def test_the_nights_so_far(tmp_path: Path, runs: Path) -> None:
    keep(
        runs,
        succeeded_report(run_id=FIRST, started_at="2026-11-21T02:00:00.000Z"),
        partial_report(run_id=SECOND, started_at="2026-11-22T02:00:00.000Z"),
        interrupted(THIRD),
    )
    assert status(tmp_path, config_path="night.toml") == (
        "RUN                      STARTED               STATUS            READ    UPDATED  NOT ACCEPTED        TOOK"
        "  RECORDS/S\n"
        "20261121T020000Z-000001  2026-11-21 02:00 UTC  succeeded    1,000,000  1,000,000             0  7 min 30 s"
        "      2,225\n"
        "20261122T020000Z-000002  2026-11-22 02:00 UTC  partial      4,210,000  4,208,776            19  7 min 30 s"
        "      9,363\n"
        "20261123T020000Z-000003  2026-11-23 02:00 UTC  interrupted  1,000,000    600,000             0  7 min 30 s"
        "      1,335\n"
        "\n"
        "Resumable: 20261123T020000Z-000003 (interrupted, 400,000 records pending, "
        "not read: about 1,000,000 records (50 MB)). "
        "Go on with: python -m engine sync -c night.toml\n"
        f"Not accepted: 19 records of run 20261122T020000Z-000002, in {runs / SECOND / 'rejected.ndjson'}\n"
    )


def test_with_delta_it_tells_what_was_left_out_who_is_gone_and_what_the_ledger_holds(
    tmp_path: Path, runs: Path
) -> None:
    keep(runs, succeeded_report(run_id=FIRST), delta_report(run_id=SECOND))
    lines = status(tmp_path).splitlines()
    assert lines[0].split()[3:8] == ["READ", "UPDATED", "UNCHANGED", "GONE", "NOT"]
    assert lines[2].split()[5:9] == ["1,000,000", "20,000", "980,000", "120"]
    assert lines[-2:] == [
        f"Gone: 120 ids in run {SECOND}, in {runs / SECOND / 'gone.ndjson'}",
        "Ledger: 1,000,120 ids known; the oldest acknowledged 2026-11-20 02:00 UTC, 3 days before the end.",
    ]


def test_the_same_as_json(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST), partial_report(run_id=SECOND), interrupted(THIRD))
    values = json.loads(status(tmp_path, json=True))
    assert [run["run_id"] for run in values["runs"]] == [FIRST, SECOND, THIRD]
    assert values["runs"][1]["records"]["rejected"] == 9
    assert "timeline" not in values["runs"][1]
    assert (values["resumable"], values["running"], values["rejected"]) == (THIRD, None, [SECOND])


def test_a_crashed_run_is_resumable(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (runs / SECOND).mkdir()
    lines = status(tmp_path, config_path="night.toml").splitlines()
    assert lines[2].split() == [SECOND, *START_OF_SECOND, "crashed"]
    assert lines[-1] == f"Resumable: {SECOND} (crashed). Go on with: python -m engine sync -c night.toml"
    assert json.loads(status(tmp_path, json=True))["runs"][1] == {
        "run_id": SECOND,
        "status": "crashed",
        "started_at": "2026-11-22T02:00:00Z",
    }


def test_a_run_under_way_is_not_called_crashed_or_resumable(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (runs / SECOND).mkdir()
    text = status(tmp_path, running=True)
    assert "running" in text.splitlines()[2]
    assert f"Under way: {SECOND}." in text
    assert "Resumable" not in text
    values = json.loads(status(tmp_path, json=True, running=True))
    assert (values["running"], values["resumable"]) == (SECOND, None)


def test_only_the_latest_run_can_be_resumed(runs: Path) -> None:
    keep(runs, interrupted(FIRST), succeeded_report(run_id=SECOND))
    assert json.loads(as_json(nights(runs)))["resumable"] is None
    keep(runs, partial_report(run_id=THIRD, status=RunStatus.FAILED, exit_code=77))
    assert json.loads(as_json(nights(runs)))["resumable"] == THIRD


def test_a_failed_run_that_has_sent_nothing_is_not_resumed(runs: Path) -> None:
    nothing = {"requests": RequestCounts(), "records": RecordCounts(read=7, pending=7)}
    keep(runs, partial_report(run_id=FIRST, status=RunStatus.FAILED, exit_code=65, **nothing))
    assert json.loads(as_json(nights(runs)))["resumable"] is None
    keep(runs, partial_report(run_id=SECOND, status=RunStatus.INTERRUPTED, exit_code=75, **nothing))
    assert json.loads(as_json(nights(runs)))["resumable"] == SECOND


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"run_id": 1}', b"\xff\xfe"])
def test_a_damaged_report_is_mentioned_and_not_fatal(tmp_path: Path, runs: Path, damage: bytes) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (runs / SECOND).mkdir()
    (runs / SECOND / "report.json").write_bytes(damage)
    keep(runs, partial_report(run_id=THIRD))
    text = status(tmp_path)
    assert text.splitlines()[2].split() == [SECOND, *START_OF_SECOND, "unreadable"]
    assert f"Unreadable: {runs / SECOND / 'report.json'} cannot be read: " in text
    values = json.loads(status(tmp_path, json=True))
    assert values["runs"][1].keys() == {"run_id", "status", "started_at", "problem"}
    with pytest.raises(ConfigError, match="cannot be read"):
        status(tmp_path, SECOND)


def test_things_that_are_no_runs_are_left_alone(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (runs / "notes.txt").write_text("mine", encoding="utf-8")
    (runs / SECOND).symlink_to(tmp_path)
    assert [night.run_id for night in nights(runs)] == [FIRST]


def test_one_run_in_full(tmp_path: Path, runs: Path) -> None:
    keep(runs, partial_report(run_id=SECOND))
    text = status(tmp_path, SECOND, config_path="night.toml")
    assert text.startswith(
        f"Run {SECOND}, 2026-11-23 02:00 UTC to 2026-11-23 02:07 UTC, partial\n\nFinished, but 19 of "
    )
    assert f"python -m engine replay -c night.toml {SECOND}" in text
    assert json.loads(status(tmp_path, SECOND, json=True))["run_id"] == SECOND


@pytest.mark.parametrize("run_id", ["20200101T000000Z-000000", "../../etc", "", "\x1b[2J"])
def test_a_run_that_does_not_exist_is_one_clear_error(tmp_path: Path, runs: Path, run_id: str) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    with pytest.raises(ConfigError, match="there is no run") as caught:
        status(tmp_path, run_id)
    assert str(caught.value).isprintable()


def test_a_run_without_a_report_cannot_be_shown_in_full(tmp_path: Path, runs: Path) -> None:
    (runs / FIRST).mkdir(parents=True)
    with pytest.raises(ConfigError, match="crashed before it left a report"):
        status(tmp_path, FIRST)


def test_the_table_is_bounded() -> None:
    found = [Night(f"run-{n:03}") for n in range(RUNS_SHOWN_MAX + 5)]
    lines = table(found).splitlines()
    assert lines[1] == "(5 earlier runs not shown)"
    assert lines[2].split()[0] == "run-005"
    assert len(lines) == RUNS_SHOWN_MAX + 2


def test_the_run_before_is_the_latest_sync_that_left_a_report(runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST), partial_report(run_id=SECOND, kind="replay"))
    (runs / "20261122T030000Z-000000").mkdir()
    keep(runs, partial_report(run_id=THIRD))
    previous = latest_report(runs, lambda report: report.kind == "sync" and report.run_id < THIRD)
    assert previous is not None
    assert previous.run_id == FIRST
    assert latest_report(runs, lambda report: report.run_id < FIRST) is None
    assert latest_report(runs / "missing", lambda _: True) is None
