"""From an ugly export to a configuration that sends it right, and every doubt said."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.commands.init.command import propose, render
from engine.commands.init.source import survey
from engine.settings.loading import from_tables
from engine.sources import open_source
from tests.commands.init.proposals import proposed, write_csv

UGLY = [
    ["Sr No", "Loan ID", "First Name", "EMI (INR)", "Due", "Paid", "Branch", "Remark"],
    ["1", "LN1 ", "Asha", "₹ 1,25,000.00", "28/11/2026", "Y", "007", "NULL"],
    ["2", "LN2", " Ravi", "₹ 500", "1/12/2026", "N", "012", "n/a"],
    ["3", "LN3", "Meena", "-", "13/12/2026", "N", "100", "call, later"],
]


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_what_is_proposed_for_an_ugly_export_sends_it_right(tmp_path: Path) -> None:
    path = write(tmp_path / "export.csv", UGLY)
    text = render(propose(survey([str(path)])), "c-1")
    settings = from_tables(tomllib.loads(text))
    [block] = open_source(settings.source.spec()).blocks()
    assert not block.refusals
    assert [tuple(json.loads(line).values()) for line in block.lines.split(b"\n")] == [
        ("LN1", {"Sr No": "1", "first_name": "Asha", "EMI (INR)": 125000.00, **due("2026-11-28", True, "007")}),
        ("LN2", {"Sr No": "2", "first_name": "Ravi", "EMI (INR)": 500, **due("2026-12-01", False, "012")}),
        ("LN3", {"Sr No": "3", "first_name": "Meena", **due("2026-12-13", False, "100"), "Remark": "call, later"}),
    ]


def due(day: str, paid: bool, branch: str) -> dict[str, object]:
    return {"Due": day, "Paid": paid, "Branch": branch}


def test_every_doubt_is_said_and_no_value_with_it(tmp_path: Path) -> None:
    _, doubts = proposed(write(tmp_path / "export.csv", UGLY))
    said = "\n".join(doubts)
    assert "NULL, n/a in 'Remark' will mean null" in said
    assert "'Loan ID' has white space" in said
    assert "'Due' is read as dates" in said
    assert "source.nulls: 'EMI (INR)', 'Remark' have empty cells" in said
    for value in ("Asha", "LN1", "125000", "1,25,000", "later"):
        assert value not in said


@pytest.mark.parametrize(
    ("header", "rows", "id_", "words"),
    [
        (["sr_no", "loan_id"], [["1", "A"], ["2", "A"]], "loan_id", "its values repeat"),
        (["sr_no", "name"], [["1", "x"], ["2", "y"]], "name", "no column is named like an id"),
        (["sr_no", "name"], [["1", "x"], ["2", "x"]], "sr_no", "seems to count rows"),
        (["id", "loan_id"], [["1", "A"], ["2", "B"]], "loan_id", "unique as well: 'id'"),
        (["loan_id", "emi"], [["1.23457E+12", "5"], ["1.23458E+12", "6"]], "loan_id", "a spreadsheet has rounded them"),
        (["loan_id", "emi"], [["2026-01-01", "5"], ["2026-01-02", "6"]], "loan_id", "look like dates, not like ids"),
        (["loan_id", "emi"], [["", "x"], ["LN1", "6"]], "loan_id", "some rows have none"),
    ],
)
def test_the_id_is_chosen_by_its_name_and_doubted(
    tmp_path: Path, header: list[str], rows: list[list[str]], id_: str, words: str
) -> None:
    source, doubts = proposed(write_csv(tmp_path / "a.csv", header, *rows))
    assert source["id"] == id_
    assert any(words in doubt for doubt in doubts if doubt.startswith("source.id"))


def test_an_odd_value_among_numbers_is_named_by_its_row(tmp_path: Path) -> None:
    rows = [[f"LN{n}", "1500" if n != 70 else "ask"] for n in range(1, 101)]
    source, doubts = proposed(write_csv(tmp_path / "a.csv", ["loan_id", "emi"], *rows))
    assert source["types"] == {"emi": "integer"}
    assert "'emi' holds whole numbers but for 1 value (row 70): the record will be invalid" in doubts


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["01/12/2026", "2026-12-13", "45992"], "looks like dates, but not all in one form"),
        (["₹1500", "Rs. 1600", "(500.00)", "12%"], "looks like numbers, but not all in one form"),
        (["01/02/2026", "03/04/2026"], "may have day or month first"),
        (["1,500", "2,500"], "may have a decimal comma as well"),
    ],
)
def test_what_cannot_be_known_is_a_doubt(tmp_path: Path, values: list[str], words: str) -> None:
    rows = [[f"LN{n}", value] for n, value in enumerate(values)]
    _, doubts = proposed(write_csv(tmp_path / "a.csv", ["loan_id", "v"], *rows))
    assert any(doubt.startswith("'v' ") and words in doubt for doubt in doubts)


def test_parquet_bytes_are_read_as_text_and_a_pandas_index_is_left_out(tmp_path: Path) -> None:
    table = pa.table(
        {
            "loan_id": pa.array([b"LN1", b"LN2"], pa.binary()),
            "photo": pa.array([b"\xff\xd8", None], pa.binary()),
            "emi": [5, 6],
            "__index_level_0__": [0, 1],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    source, doubts = proposed(tmp_path / "a.parquet")
    assert source["id"] == "loan_id"
    assert source["columns"] == {"loan_id": {"type": "string"}}
    assert source["exclude"] == ["photo", "__index_level_0__"]
    assert any("pandas" in doubt for doubt in doubts)


def test_an_id_that_is_a_float_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    pq.write_table(pa.table({"loan_id": [1.0, 2.0], "x": ["a", "b"]}), tmp_path / "a.parquet")
    source, doubts = proposed(tmp_path / "a.parquet")
    assert source["id"] == "x"
    assert any("'loan_id' is named like an id, but holds double" in doubt for doubt in doubts)


def test_text_that_is_not_utf8_is_no_traceback(tmp_path: Path) -> None:
    column = pa.array([b"\xff", b"ok"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"loan_id": ["1", "2"], "name": column}), tmp_path / "a.parquet")
    source, _ = proposed(tmp_path / "a.parquet")
    assert source["id"] == "loan_id"
