"""`status`: the nights so far, from whatever their runs left behind."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from pathlib import Path

import pytest

from engine.commands.night_table import COLUMNS
from engine.commands.status import add_arguments, as_json, one_run, overview, run, since, waiting_runs, write_page
from engine.report.history import Night, latest_report, nights, write_report
from engine.report.report import Report, RunStatus
from engine.report.source import Input, Unread
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import ConfigError
from tests.reports import delta_report, partial_report, succeeded_report

FIRST, SECOND, THIRD = (f"2026112{day}T020000Z-00000{day}" for day in (1, 2, 3))


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


def status(state_dir: Path, found: Sequence[Night] | None = None, config_path: str = "") -> str:
    found = nights(state_dir / "runs") if found is None else found
    return overview(found, state_dir, config_path, waiting=waiting_runs(found), zone=UTC)


def as_values(runs: Path, *, running: bool = False) -> dict[str, object]:
    values: dict[str, object] = json.loads(as_json(nights(runs), running=running))
    return values


def under_way(runs: Path) -> list[Night]:
    *earlier, latest = nights(runs)
    return [*earlier, replace(latest, under_way=True)]


def test_no_runs_yet(tmp_path: Path) -> None:
    assert status(tmp_path) == f"{tmp_path}: no runs yet\n"
    assert as_values(tmp_path / "runs") == {"runs": [], "running": None, "resumable": None, "rejected": []}


def test_what_needs_a_hand_stands_below_the_table(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST), partial_report(run_id=SECOND), interrupted(THIRD))
    text = status(tmp_path, config_path="night.toml")
    assert text.startswith("BEGAN ")
    assert text.endswith(
        "\n\n"
        "Resumable: 20261123T020000Z-000003 (interrupted, 400,000 records pending, not\n"
        "  read: about 1,000,000 records (50 MB)).\n"
        "  Go on with: python -m engine sync -c night.toml\n"
        "Not accepted: 19 records of run 20261122T020000Z-000002, in\n"
        f"  {runs / SECOND / 'rejected.ndjson'}\n"
    )


def test_all_but_commands_and_paths_fits_a_terminal(tmp_path: Path, runs: Path) -> None:
    keep(runs, delta_report(run_id=FIRST, message="x" * 500), partial_report(run_id=SECOND), interrupted(THIRD))
    lines = status(tmp_path, config_path="night.toml").splitlines()
    assert not [line for line in lines if len(line) > COLUMNS and str(tmp_path) not in line]


def test_with_delta_it_tells_who_is_gone_and_what_the_ledger_holds(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST), delta_report(run_id=SECOND))
    assert status(tmp_path).endswith(
        f"Gone: 120 ids in run {SECOND}, in\n  {runs / SECOND / 'gone.ndjson'}\n"
        "Ledger: 1,000,120 ids known; the oldest acknowledged 2026-11-20 02:00 UTC, 3\n"
        "  days before the end.\n"
    )


def test_the_same_as_json(runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST), partial_report(run_id=SECOND), interrupted(THIRD))
    values = json.loads(as_json(nights(runs)))
    assert [run["run_id"] for run in values["runs"]] == [FIRST, SECOND, THIRD]
    assert values["runs"][1]["records"]["rejected"] == 9
    assert "timeline" not in values["runs"][1]
    assert (values["resumable"], values["running"], values["rejected"]) == (THIRD, None, [SECOND])


def test_a_crashed_run_is_resumable(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (runs / SECOND).mkdir()
    text = status(tmp_path, config_path="night.toml")
    assert f"Resumable: {SECOND} (crashed).\n  Go on with: python -m engine sync -c night.toml\n" in text
    assert json.loads(as_json(nights(runs)))["runs"][1] == {
        "run_id": SECOND,
        "status": "crashed",
        "started_at": "2026-11-22T02:00:00Z",
    }


def test_what_is_known_of_a_crashed_run_is_told() -> None:
    night = Night(run_id=SECOND, report=interrupted(SECOND), crashed=True)
    values = json.loads(as_json([night]))
    assert values["resumable"] == SECOND
    [run] = values["runs"]
    assert (run["status"], run["exit_code"], run["records"]["updated"]) == ("crashed", None, 600_000)
    [run] = json.loads(as_json([replace(night, crashed=False, counted=False)]))["runs"]
    assert (run["status"], run["records"]) == ("interrupted", None)


def test_a_run_under_way_is_not_called_crashed_or_resumable(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (runs / SECOND).mkdir()
    found = under_way(runs)
    text = status(tmp_path, found)
    assert f"Under way: {SECOND}." in text
    assert "Resumable" not in text
    values = json.loads(as_json(found, running=True))
    assert (values["running"], values["resumable"]) == (SECOND, None)
    assert values["runs"][1]["status"] == "running"
    with pytest.raises(ConfigError, match="is still under way"):
        one_run(found, SECOND, tmp_path)


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
    assert "unreadable" in text
    assert f"{runs / SECOND / 'report.json'} cannot be" in " ".join(text.split())
    values = json.loads(as_json(nights(runs)))
    assert values["runs"][1].keys() == {"run_id", "status", "started_at", "problem"}
    with pytest.raises(ConfigError, match="cannot be read"):
        one_run(nights(runs), SECOND, tmp_path)


def test_things_that_are_no_runs_are_left_alone(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (runs / "notes.txt").write_text("mine", encoding="utf-8")
    (runs / SECOND).symlink_to(tmp_path)
    assert [night.run_id for night in nights(runs)] == [FIRST]


def test_one_run_in_full(tmp_path: Path, runs: Path) -> None:
    keep(runs, partial_report(run_id=SECOND))
    text = one_run(nights(runs), SECOND, tmp_path, config_path="night.toml", zone=UTC)
    assert text.startswith(f"Run {SECOND}, partial\nMon 2026-11-23 02:00 to 02:07 UTC\n\nFinished, but 19 of ")
    assert f"python -m engine replay -c night.toml {SECOND}" in text
    told = json.loads(one_run(nights(runs), SECOND, tmp_path, json=True))
    assert (told["run_id"], len(told["timeline"])) == (SECOND, len(partial_report().timeline))


def test_a_crashed_run_is_shown_in_full_as_far_as_it_is_known(tmp_path: Path) -> None:
    night = Night(run_id=SECOND, report=interrupted(SECOND), crashed=True)
    text = one_run([night], SECOND, tmp_path, zone=UTC)
    assert text.startswith(f"Run {SECOND}, crashed\n")
    assert "600,000" in text


@pytest.mark.parametrize("run_id", ["20200101T000000Z-000000", "../../etc", "", "\x1b[2J"])
def test_a_run_that_does_not_exist_is_one_clear_error(tmp_path: Path, runs: Path, run_id: str) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    with pytest.raises(ConfigError, match="there is no run") as caught:
        one_run(nights(runs), run_id, tmp_path)
    assert str(caught.value).isprintable()


def test_a_run_without_a_report_cannot_be_shown_in_full(tmp_path: Path, runs: Path) -> None:
    (runs / FIRST).mkdir(parents=True)
    with pytest.raises(ConfigError, match="crashed before it left a report"):
        one_run(nights(runs), FIRST, tmp_path)


def test_the_run_before_is_the_latest_sync_that_left_a_report(runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST), partial_report(run_id=SECOND, kind="replay"))
    (runs / "20261122T030000Z-000000").mkdir()
    keep(runs, partial_report(run_id=THIRD))
    previous = latest_report(runs, lambda report: report.kind == "sync" and report.run_id < THIRD)
    assert previous is not None
    assert previous.run_id == FIRST
    assert latest_report(runs, lambda report: report.run_id < FIRST) is None
    assert latest_report(runs / "missing", lambda _: True) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-11-23", date(2026, 11, 23)), ("7d", timedelta(days=7)), ("90m", timedelta(minutes=90))],
)
def test_since_is_a_date_or_a_span(text: str, expected: date | timedelta) -> None:
    assert since(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "7", "-7d", "2026-13-01", "7w", "2026-11-23T02:00"])
def test_any_other_since_is_one_clear_error(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be a date such as 2026-11-23 or a span such as 7d"):
        since(text)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        "[api]\nurl = 'http://127.0.0.1:9'\ncampaign_id = 'c'\n[source]\npath = 'loans.csv'\nid = 'loan_id'\n"
        f"[state]\ndir = '{tmp_path}'\n",
        encoding="utf-8",
    )
    return path


def command(config: Path, *args: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(["-c", str(config), *args]))


def test_since_leaves_out_what_is_older_but_never_what_waits(
    config: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(runs, replace(interrupted(FIRST), started_at="2026-11-21T02:00:00.000Z"))
    keep(runs, succeeded_report(run_id=SECOND, started_at="2026-11-22T02:00:00.000Z", kind="replay"))
    assert command(config, "--json", "--utc", "--since", "2026-11-22") == 0
    values = json.loads(capsys.readouterr().out)
    assert ([each["run_id"] for each in values["runs"]], values["resumable"]) == ([SECOND], FIRST)
    assert command(config, "--json", "--since", "1s") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["runs"], values["resumable"]) == ([], FIRST)


def test_the_page_can_be_anywhere_and_its_links_lead_to_the_reports(tmp_path: Path, runs: Path) -> None:
    keep(runs, succeeded_report(run_id=FIRST))
    (tmp_path / "sent elsewhere").mkdir()
    page = tmp_path / "sent elsewhere" / "nights.html"
    assert write_page(nights(runs), tmp_path, page) == f"{page}: the page of 1 run\n"
    assert page.stat().st_mode & 0o777 == 0o600
    assert f'href="../runs/{FIRST}/report.html"' in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_one_clear_error(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--html: .*nights.html: cannot write the file: No such file"):
        command(config, "--html", str(tmp_path / "nowhere" / "nights.html"))


@pytest.mark.parametrize("args", [["--html", "x.html"], ["--since", "7d"]])
def test_what_is_for_all_runs_is_not_for_one(config: Path, args: list[str]) -> None:
    with pytest.raises(ConfigError, match="for all runs, not for the one that RUN_ID names"):
        command(config, FIRST, *args)
