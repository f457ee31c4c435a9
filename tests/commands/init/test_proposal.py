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


def test_cells_of_spaces_are_empty_and_numbers_beside_them_stay_numbers(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ["loan_id", "emi", "due"], ["L1", "5.50", " "], ["L2", " ", "2026-11-28"])
    text = render(propose(survey([str(path)])), "c-1")
    [block] = open_source(from_tables(tomllib.loads(text)).source.spec()).blocks()
    assert not block.refusals
    assert block.lines.split(b"\n") == [
        b'{"id":"L1","data":{"emi":5.50}}',
        b'{"id":"L2","data":{"due":"2026-11-28"}}',
    ]
    _, doubts = proposed(path)
    assert any("'emi', 'due' have empty cells" in doubt for doubt in doubts)


def test_a_padded_null_word_in_a_column_of_numbers_is_null(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ["loan_id", "emi", "x"], ["L1", "5.50", "a"], ["L2", " NULL ", "a"])
    text = render(propose(survey([str(path)])), "c-1")
    [block] = open_source(from_tables(tomllib.loads(text)).source.spec()).blocks()
    assert (block.lines.split(b"\n")[1], block.refusals) == (b'{"id":"L2","data":{"x":"a"}}', [])


def test_numbers_among_spaces_that_do_not_break_are_trimmed(tmp_path: Path) -> None:
    source, _ = proposed(write_csv(tmp_path / "a.csv", ["loan_id", "emi"], ["L1", "5\u00a0"], ["L2", "\u00a07"]))
    assert source["columns"]["emi"] == {"trim": True, "type": "integer"}


def test_amounts_with_a_minus_behind_them_are_a_doubt(tmp_path: Path) -> None:
    _, doubts = proposed(
        write_csv(tmp_path / "a.csv", ["loan_id", "due", "x"], ["L1", "1001,00-", "-$5"], ["L2", "5,00 -", "-$7.50"])
    )
    assert any("'due' looks like numbers" in doubt for doubt in doubts)
    assert any("'x' looks like numbers" in doubt for doubt in doubts)


def test_marks_of_text_in_a_spreadsheet_are_no_part_of_it(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv", ["loan_id", "zip", "name"], ['="001"', "'0560", "'n"], ['="002"', "'0561", "'s"]
    )
    text = render(propose(survey([str(path)])), "c-1")
    [block] = open_source(from_tables(tomllib.loads(text)).source.spec()).blocks()
    assert block.lines.split(b"\n")[0] == b'{"id":"001","data":{"zip":"0560","name":"\'n"}}'
    _, doubts = proposed(path)
    assert sum("a spreadsheet knows text" in doubt for doubt in doubts) == 2


def test_one_value_without_such_marks_keeps_those_of_others(tmp_path: Path) -> None:
    source, _ = proposed(write_csv(tmp_path / "a.csv", ["loan_id", "x"], ["L1", "'05"], ["L2", "7"], ["L3", "'05"]))
    assert "columns" not in source


def test_a_source_of_ids_alone_needs_constants(tmp_path: Path) -> None:
    _, doubts = proposed(write_csv(tmp_path / "a.csv", ["loan_id"], ["L1"], ["L2"]))
    assert any("source.constants" in doubt for doubt in doubts)


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
        (
            ["loan_id", "emi"],
            [["A", str(row)] for row in range(20)],
            "emi",
            "'loan_id' is named like an id, but most of",
        ),
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
        (["2026-11-28 10:15:00", "2026-11-29 09:05:00"], "holds dates with a time of day; text is sent as it is"),
        (["2026-11-28T10:15:00+05:30", "2026-11-29T09:05:00+05:30"], "holds dates with a time of day"),
        (["2026-11-28 10:15:00.250", "2026-11-29 09:05:00"], "holds dates with a time of day"),
        (["28/11/2026 9:15 AM", "1/12/2026 10:05 PM"], "holds dates with a time of day"),
        (["2026-11-28 10:15:00", "29/11/2026 09:05"], "looks like dates, but not all in one form"),
        (["2026-11-28 10:15:00", "2026-11-29T09:05:00Z", "x"], "looks like dates, but not all in one form"),
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


def test_dots_group_digits_where_other_columns_have_decimal_commas(tmp_path: Path) -> None:
    rows = [["L1", "1.500", "12,50"], ["L2", "2.250", "7,00"]]
    source, doubts = proposed(write_csv(tmp_path / "a.csv", ["loan_id", "due", "rate"], *rows, delimiter=";"))
    assert source["columns"]["due"] == {"type": "number", "decimal": ",", "thousands": "."}
    assert any("'due' may have a decimal dot as well" in doubt for doubt in doubts)
    source, _ = proposed(write_csv(tmp_path / "b.csv", ["loan_id", "due"], *[row[:2] for row in rows], delimiter=";"))
    assert source["types"] == {"due": "number"}
