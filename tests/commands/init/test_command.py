"""`init`: what it proposes for real files of every kind, and what it says it was unsure of."""

from __future__ import annotations

import csv
import gzip
import json
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from engine.commands.init import source as source_survey
from engine.commands.init.column import ColumnSurvey, plain_name, rank_ids
from engine.commands.init.command import propose, render
from engine.commands.init.source import survey
from engine.settings.loading import from_tables
from engine.values.errors import ExitCode, SourceMissing, SourceUntrusted

TIMEOUT_S = 30


def proposed(*paths: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the [source] table that is proposed for the files, and the doubts."""
    proposal = propose(survey([str(path) for path in paths]))
    tables = tomllib.loads(render(proposal, "c-1"))
    from_tables(tables)  # whatever is proposed must load
    return tables["source"], proposal.doubts


def write_csv(path: Path, header: list[str], *rows: list[str], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


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


@pytest.mark.parametrize(("delimiter", "name"), [("\t", "a.tsv"), ("\t", "a.csv"), (",", "a.tsv"), (",", "a.txt")])
def test_what_separates_the_columns(tmp_path: Path, delimiter: str, name: str) -> None:
    path = write_csv(tmp_path / name, ["id", "a;b"], ["1", "x"], ["2", "y"], delimiter=delimiter)
    source, doubts = proposed(path)
    assert source["id"] == "id"
    actual = "tsv" if delimiter == "\t" else "csv"
    assert source.get("format", path.suffix[1:]) == actual
    assert any("separated by" in doubt for doubt in doubts) is (
        path.suffix[1:] in ("csv", "tsv") and name[2:] != actual
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,имя\n1,x\n".encode("utf-16"), "UTF-16"),
        ("id,имя\n1,x\n".encode("cp1251"), "not UTF-8"),
        (b"id,name,id\n1,x,2\n", "same name"),
        (b"id,,x\n1,2,3\n", "no name"),
    ],
)
def test_files_that_must_be_mended_first(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(SourceUntrusted, match=words):
        survey([str(path)])


def test_compressed_text_with_a_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\ufeffloan_id,name\r\n1,x\r\n2,y\r\n".encode()))
    source, _ = proposed(path)
    assert source["id"] == "loan_id"


def test_canonical_lines_need_no_id(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"id": "1", "data": {"a": 1}}\n\n{"id": "2", "data": {"a": null}, "outcome": "x"}\n')
    source, doubts = proposed(path)
    assert source == {"path": str(path)}
    assert doubts == []


def test_flat_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines: list[object] = [
        {"name": "x", "lead_id": 7, "opt": 1},
        {"name": "x", "lead_id": 8, "deep": {"a": 1}},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n")
    source, doubts = proposed(path)
    assert source["id"] == "lead_id"
    assert "types" not in source
    assert "1 lines are no JSON objects: they will be invalid" in doubts


def test_one_json_array_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('[{"id": 1}, {"id": 2}]')
    with pytest.raises(SourceUntrusted, match="one JSON array"):
        survey([str(path)])


@pytest.mark.parametrize("name", ["a.parquet", "a.bin"])
def test_parquet(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    table = pa.table({"amount": [1.5, 2.5], "Account Number": [2**60, 2**60 + 1], "name": ["x", None]})
    pq.write_table(table, path)
    source, _ = proposed(path)
    assert source["id"] == "Account Number"
    assert source.get("format") == (None if name == "a.parquet" else "parquet")
    assert "types" not in source


def test_ids_that_repeat_are_a_doubt(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ["name", "loan_id"], ["x", "1"], ["x", "1"])
    source, doubts = proposed(path)
    assert source["id"] == "loan_id"
    assert any("no column is unique" in doubt for doubt in doubts)


def test_a_big_source_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_survey, "ROWS_MAX", 10)
    path = write_csv(tmp_path / "a.csv", ["id", "n"], *([str(i), "5"] for i in range(100)))
    found = survey([str(path)])
    assert (found.rows, found.is_complete) == (10, False)
    assert any("judged by a part" in doubt for doubt in propose(found).doubts)
    write_csv(tmp_path / "b.csv", ["id", "n"], ["1", "5"])
    assert any("only" in doubt for doubt in survey([str(tmp_path / "*.csv")]).doubts)


def test_odd_names_make_valid_toml(tmp_path: Path) -> None:
    names = ['a "b"', "c.d", "é\\", "e = 1", "[f]"]
    path = write_csv(tmp_path / 'quote".csv', ["id", *names], ["x1", "1", "2", "3", "4", "5"], ["x2", *"12345"])
    source, _ = proposed(path)
    assert source["types"] == dict.fromkeys(names, "integer")


@pytest.mark.parametrize("content", [b"", b"id,name\n", b"\n\n"])
def test_nothing_in_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises((SourceMissing, SourceUntrusted), match=r"a\.csv"):
        survey([str(path)])


def test_names_made_plain() -> None:
    assert [plain_name(name) for name in ("Loan ID", "loanId", "LOAN-ID ", "loan_id")] == ["loan_id"] * 4


@given(st.lists(st.text(max_size=3), min_size=1, max_size=50))
def test_uniqueness_is_exact(values: list[str]) -> None:
    column = ColumnSurvey("x")
    for value in values:
        column.add(value)
    assert column.is_unique == (all(values) and len(set(values)) == len(values))
    assert rank_ids([column]) == [column]


@given(st.lists(st.integers(-(10**17), 10**17), min_size=1))
def test_integers_are_seen_as_such(numbers: list[int]) -> None:
    column = ColumnSurvey("amount")
    for number in numbers:
        column.add(str(number))
    before = column.type
    column.add("007")
    assert (before, column.type) == ("integer", "string")


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
    assert tomllib.loads((tmp_path / "config.toml").read_text())["api"]["campaign_id"] == "c-7"
    assert stat.S_IMODE((tmp_path / "config.toml").stat().st_mode) == 0o600


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["loan_id", "emi"], ["1", "5"])
    (tmp_path / "config.toml").write_text("mine")
    refused = init(tmp_path, "a.csv", "-o", "config.toml")
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert "is there already" in refused.stderr
    assert (tmp_path / "config.toml").read_text() == "mine"


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
