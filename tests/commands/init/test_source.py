"""What `init` finds in files of every kind, and which must be mended first."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.commands.init import source as source_survey
from engine.commands.init.column import ColumnSurvey
from engine.commands.init.command import propose
from engine.commands.init.source import survey
from engine.sources import SourceSpec, open_source
from engine.values.errors import SourceMissing, SourceUntrusted
from tests.commands.init.proposals import proposed, write_csv


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


def test_of_each_key_of_ndjson_one_survey_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tries dozens of forms: one for every value of 30,000 lines took minutes."""
    made: list[str] = []

    def counting(name: str) -> ColumnSurvey:
        made.append(name)
        return ColumnSurvey(name)

    path = tmp_path / "a.ndjson"
    path.write_text("".join(f'{{"loan_id": "LN{n}", "emi": {n}}}\n' for n in range(50)))
    monkeypatch.setattr(source_survey, "ColumnSurvey", counting)
    assert survey([str(path)]).rows == 50
    assert made == ["loan_id", "emi"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,имя\n1,x\n".encode("cp1251"), "not UTF-8"),
        (b"id,name,id\n1,x,2\n", "same name"),
        (b"LN1,9876500001,1500\nLN2,9876500002,1600\n", "is the header missing"),
        (b'id,"name\n1,x\n2,y\n', "header"),
    ],
)
def test_files_that_must_be_mended_first(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(SourceUntrusted, match=words):
        survey([str(path)])


def test_a_tsv_whose_header_stands_in_quotes_is_read_with_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('"loan_id"\t"emi"\n"LN1"\t"5.10"\n')
    source, doubts = proposed(path)
    assert (source["id"], source["quote"], source["types"]) == ("loan_id", '"', {"emi": "number"})
    assert any("source.quote" in doubt for doubt in doubts)


def test_values_in_quotes_in_a_tsv_are_a_doubt(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('loan_id\tname\nLN1\t"Rao, Asha"\nLN2\t"Bunty\n')
    source, doubts = proposed(path)
    assert "quote" not in source
    assert any("source.quote: values in quotes in 'name'" in doubt for doubt in doubts)


def test_tabs_between_quoted_cells_stay_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"loan_id"\t"name, first"\n"LN1"\t"Rao, Asha"\n')
    source, _ = proposed(path)
    assert (source["id"], "format" in source) == ("loan_id", False)
    [block] = open_source(SourceSpec((str(path),), id="loan_id")).blocks()
    assert block.lines == b'{"id":"LN1","data":{"name, first":"Rao, Asha"}}'


def test_a_mark_in_the_name_of_the_only_column_may_be_a_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("loan_id#emi\nLN1#5\nLN2#6\n")
    _, doubts = proposed(path)
    assert any(doubt.startswith("source.delimiter: there is only one column, with '#'") for doubt in doubts)
    path.write_text("loan_id~emi\nLN1~5\nLN2~6\n")
    source, doubts = proposed(path)
    assert (source["id"], source["types"]) == ("loan_id", {"emi": "integer"})
    assert not any("delimiter" in doubt for doubt in doubts)


def test_columns_without_a_name_are_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("loan_id,,emi,\nLN1,secret,5,\nLN2,secret,6,\n")
    source, doubts = proposed(path)
    assert source["fields"] == ["emi"]
    assert "source.fields: 2 columns without a name will not be sent; name what should be" in doubts


def test_what_is_no_record_is_counted_and_no_value_of_a_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "LN1,5,2026-01-01\nLN2,6,2026-01-02\n"
    path.write_text(f"Loans\nloan_id,emi,due\n,INR,yyyy-mm-dd\n{rows}loan_id,emi,due\n{rows}x\nTotal,22,\n")
    source, doubts = proposed(path)
    assert source["types"] == {"emi": "integer", "due": "date"}
    said = "\n".join(doubts)
    assert "the header was found in line 2" in said
    assert "1 row will be invalid: a line of units below the header, not a record (row 1)" in said
    assert "1 row will be invalid: the header again, not a record (row 4)" in said
    assert "1 row will be invalid: a footer (total), not a record (row 8)" in said


def test_compressed_text_with_a_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\ufeffloan_id,name\r\n1,x\r\n2,y\r\n".encode()))
    source, _ = proposed(path)
    assert source["id"] == "loan_id"


def test_canonical_lines_need_no_id(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(
        '{"id": "1", "data": {"a": 1}}\n\n{"id": "2", "data": {"a": null}, "outcome": "x"}\n', encoding="utf-8"
    )
    source, doubts = proposed(path)
    assert source == {"path": str(path)}
    assert doubts == []


def test_flat_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines: list[object] = [
        {"name": "x", "lead_id": 7, "opt": 1},
        {"name": "x", "lead_id": 8, "deep": {"a": 1}},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n", encoding="utf-8")
    source, doubts = proposed(path)
    assert source["id"] == "lead_id"
    assert "types" not in source
    assert "1 lines are no JSON objects: they will be invalid" in doubts


def test_one_odd_id_among_many_changes_no_choice(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"loan_id": "LN1", "emi": 5}\n{"loan_id": 2, "emi": 6}\n{"loan_id": 2.5, "emi": 7}\n')
    source, doubts = proposed(path)
    assert source["id"] == "loan_id"
    said = "source.id: 1 value of 'loan_id' is neither text nor integers: the record will be invalid"
    assert said in doubts


def test_a_column_taken_for_want_of_a_better_one_is_called_so(tmp_path: Path) -> None:
    _, doubts = proposed(write_csv(tmp_path / "a.csv", ["name", "emi"], ["x", "1"], ["x", "1"]))
    assert any("was taken for want of a better one, but its values repeat" in doubt for doubt in doubts)


@pytest.mark.parametrize("indent", [None, 1])
def test_one_json_array_is_explained(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(json.dumps([{"id": 1}, {"id": 2}], indent=indent), encoding="utf-8")
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


def test_parquet_with_names_that_repeat_or_have_dots(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    names = [pa.array(["1", "2"]), pa.array(["x", "y"]), pa.array([{"c": 1}, {"c": 2}])]
    pq.write_table(pa.table(names, ["id", "b.c", "b"]), path)
    source, _ = proposed(path)
    assert source["id"] == "id"
    pq.write_table(pa.table(names, ["id", "x", "x"]), path)
    with pytest.raises(SourceUntrusted, match="two columns have the same name"):
        survey([str(path)])


def test_parquet_whose_text_is_none_or_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    names = pa.array([b"\xff", b"y"]).view(pa.string())
    pq.write_table(pa.table({"id": ["1", "2"], "name": names}), path)
    source, _ = proposed(path)
    assert source["id"] == "id"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceUntrusted, match="cannot be read as Parquet"):
        survey([str(path)])


def test_a_big_source_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_survey, "ROWS_MAX", 10)
    path = write_csv(tmp_path / "a.csv", ["id", "n"], *([str(i), "5"] for i in range(100)))
    found = survey([str(path)])
    assert (found.rows, found.is_complete) == (10, False)
    assert any("judged by a part" in doubt for doubt in propose(found).doubts)
    write_csv(tmp_path / "b.csv", ["id", "n"], ["1", "5"])
    assert any("only" in doubt for doubt in survey([str(tmp_path / "*.csv")]).doubts)


@pytest.mark.parametrize("content", [b"", b"id,name\n", b"\n\n"])
def test_nothing_in_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises((SourceMissing, SourceUntrusted), match=r"a\.csv"):
        survey([str(path)])
