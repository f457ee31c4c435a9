"""`init`: what it proposes for a real export, what it says it was unsure of, and the command itself."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from engine.commands.init import source as source_survey
from engine.commands.init.command import propose, render
from engine.commands.init.source import survey
from engine.values.errors import ExitCode
from tests.commands.init.proposals import proposed, write_csv

ROOT = Path(__file__).parent.parent.parent.parent
TIMEOUT_S = 120


def test_a_lenders_export(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "export.csv",
        ["Phone No", "Loan ID", "First Name", "EMI", "Due", "Since", "Active", "Branch", "Note"],
        ["919800000001", "00123", "Анна", "12.50", "2026-01-05", "05/01/2026", "true", "007", ""],
        ["919800000002", "00124", 'B, "C"', "-3", "2026-02-05", "06/01/2026", "false", "12", ""],
        ["919800000002", "00125", "Δ\nΕ", "100", "2026-03-05", "7/1/26", "true", "12", ""],
    )
    source, doubts = proposed(path)
    assert source == {
        "path": str(path),
        "id": "Loan ID",
        "nulls": "omit",
        "rename": {"First Name": "first_name"},
        "types": {"EMI": "number", "Due": "date", "Active": "boolean"},
    }
    said = "\n".join(doubts)
    assert "'Since' looks like dates" in said
    assert "'Note' is empty" in said
    assert "'Phone No' is all digits, but stays text" in said
    assert "1 column renamed" in said
    for value in ("00123", "Анна", "919800000001"):
        assert value not in said


def test_ids_that_repeat_are_a_doubt(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ["name", "loan_id"], ["x", "1"], ["x", "1"])
    source, doubts = proposed(path)
    assert source["id"] == "loan_id"
    assert any("no column is unique" in doubt for doubt in doubts)


def test_odd_names_make_valid_toml(tmp_path: Path) -> None:
    names = ['a "b"', "c.d", "é\\", "e = 1", "[f]"]
    path = write_csv(tmp_path / 'quote".csv', ["id", *names], ["x1", "1", "2", "3", "4", "5"], ["x2", *"12345"])
    source, _ = proposed(path)
    assert source["types"] == dict.fromkeys(names, "integer")


def init(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", "init", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_command(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["loan_id", "emi"], ["1", "5"])
    printed = init(tmp_path, "a.csv")
    assert printed.returncode == 0
    assert tomllib.loads(printed.stdout)["source"]["path"] == "a.csv"
    assert "python -m engine check -c config.toml" in printed.stderr
    written = init(tmp_path, "a.csv", "-o", "config.toml", "--campaign", "c-7")
    assert (written.returncode, written.stdout) == (0, "")
    assert tomllib.loads((tmp_path / "config.toml").read_text(encoding="utf-8"))["api"]["campaign_id"] == "c-7"
    assert stat.S_IMODE((tmp_path / "config.toml").stat().st_mode) == 0o600


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["loan_id", "emi"], ["1", "5"])
    (tmp_path / "config.toml").write_text("mine", encoding="utf-8")
    refused = init(tmp_path, "a.csv", "-o", "config.toml")
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert "is there already" in refused.stderr
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("arguments", [[], ["-o", "config.toml"], ["a.csv", "--example"]])
def test_it_looks_at_a_source_or_writes_the_example(tmp_path: Path, arguments: list[str]) -> None:
    refused = init(tmp_path, *arguments)
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert "init takes a SOURCE to look at, or --example" in refused.stderr
    assert not (tmp_path / "config.toml").exists()


def test_the_example_is_that_of_the_project(tmp_path: Path) -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    assert init(tmp_path, "--example").stdout == example
    written = init(tmp_path, "--example", "-o", "config.toml")
    assert (written.returncode, written.stdout) == (0, "")
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == example
    assert "is there already" in init(tmp_path, "--example", "-o", "config.toml").stderr


def test_a_missing_source_is_66(tmp_path: Path) -> None:
    missing = init(tmp_path, "none.csv", "-o", "config.toml")
    assert missing.returncode == ExitCode.SOURCE_MISSING
    assert missing.stderr == "engine: none.csv does not exist\n"
    assert not (tmp_path / "config.toml").exists()


def test_the_fewest_records_are_suggested_only_where_all_were_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "loans.csv", ["id", "name"], *([f"x{n}", "y"] for n in range(40)))
    assert "#min_records = 20\n" in render(propose(survey([str(path)])), "c")
    monkeypatch.setattr(source_survey, "ROWS_MAX", 10)
    assert not re.search(r"min_records = \d", render(propose(survey([str(path)])), "c"))
