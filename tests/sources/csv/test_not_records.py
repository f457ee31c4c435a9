"""Rows that are no customers: the header again, units below it, and footers."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest

from engine.sources.csv import table as csv_table
from engine.sources.csv.not_records import FOOTER, FOOTER_LINES_MAX, HEADER_AGAIN, UNITS
from tests.sources.tables import TableReading, read_text

HEADER = "loan_id,name,emi\n"
PIECES = pytest.mark.parametrize("piece_bytes", [16, 40, 1 << 20])


def in_pieces(content: str, piece_bytes: int, **mapping: Any) -> TableReading:
    with TemporaryDirectory() as folder, patch.object(csv_table, "PIECE_BYTES", piece_bytes):
        return read_text(Path(folder), content, id="loan_id", **mapping)


@PIECES
@pytest.mark.parametrize(
    "again",
    [
        HEADER,
        "\ufeff" + HEADER,
        '"loan_id","name","emi"\n',
        '\ufeff"loan_id",name,emi\r\n',
        "LOAN_ID,NAME,EMI\n",
        "Loan_ID,Name,EMI\n",
        "loan_id, name, emi\n",
    ],
)
def test_the_header_again_is_no_record(again: str, piece_bytes: int) -> None:
    found = in_pieces(f"\ufeff{HEADER}L1,Asha,1\n{again}L2,Ravi,2\n{again}", piece_bytes)
    assert (found.ids, found.rows) == (["L1", "L2"], [1, 3])
    assert found.reasons == [(2, HEADER_AGAIN), (4, HEADER_AGAIN)]


@PIECES
def test_a_header_with_line_breaks_is_recognised_again(piece_bytes: int) -> None:
    header = 'loan_id,"EMI\r\nAmount"\r\n'
    found = in_pieces(f"{header}L1,1\r\n{header}L2,2\r\n", piece_bytes)
    assert (found.ids, found.reasons) == (["L1", "L2"], [(2, HEADER_AGAIN)])


@PIECES
@pytest.mark.parametrize(
    "other", ["name,loan_id,emi\n", "loan_id,emi,name\n", "loan_id,name,emi,city\n", "NAME,LOAN_ID,EMI\n"]
)
def test_nothing_behind_a_header_of_other_columns_is_sent(other: str, piece_bytes: int) -> None:
    found = in_pieces(f"{HEADER}L1,Asha,1\n{other}Ravi,L2,2\nL3,Mia,3\n", piece_bytes)
    assert found.ids == ["L1"]
    assert found.damage is not None
    assert "the columns change at data row 2" in found.damage


def test_a_customer_who_is_called_like_a_column_stays_one() -> None:
    found = in_pieces(f"{HEADER}name,Asha,1\nloan_id,Ravi,2\n", 1 << 20)
    assert found.ids == ["name", "loan_id"]


@PIECES
@pytest.mark.parametrize(
    "units",
    [
        ",INR,yyyy-mm-dd",
        "text,₹,DD/MM/YYYY",
        'varchar(20),"decimal(10, 2)",date',
        "-------,----,---",
        ",(INR),",
        "string,int",
    ],
)
def test_a_line_of_units_below_the_header_is_no_record(units: str, piece_bytes: int) -> None:
    found = in_pieces(f"loan_id,emi,due\n{units}\nL1,5,2026-12-01\n", piece_bytes)
    assert (found.ids, found.rows, found.reasons) == (["L1"], [2], [(1, UNITS)])
    again = in_pieces(f"loan_id,emi,due\n{units}\nL1,5,x\nloan_id,emi,due\n{units}\nL2,5,x\n", piece_bytes)
    assert again.reasons == [(1, UNITS), (3, HEADER_AGAIN), (4, UNITS)]


def test_units_are_units_only_below_a_header() -> None:
    found = in_pieces(f"{HEADER}L1,Asha,1\ntext,date,2\nINR,days,\n", 1 << 20)
    assert found.ids == ["L1", "text", "INR"]


@PIECES
@pytest.mark.parametrize(
    "footer",
    [
        "Total,,3\n",
        "Grand Total:,,3\n",
        "TOTALS,2 customers,Rs. 125000\n",
        "Summe,,3\n",
        "Total: 2,,\n",
        "Records: 2\n",
        "Record Count,2,\n",
        "-- 123 rows\n",
        "(123 rows affected)\n",
        ",,4500.50\n",
        ",Total,4500\n",
        "---,---,---\n",
        "\nTotal,,3\n\n\n,,\n",
        "Total,,3\nAverage,,1.5\nEnd of report\n",
        "Total,,3\nGenerated on 28-Nov-2026\nby the export,,\n",
    ],
)
def test_a_footer_is_no_record(footer: str, piece_bytes: int) -> None:
    rows = "".join(f"L{i},Asha,{i}\n" for i in range(1, 9))
    found = in_pieces(f"{HEADER}{rows}{footer}", piece_bytes, nulls="send")
    assert found.ids == [f"L{i}" for i in range(1, 9)]
    assert {reason for _, reason in found.reasons} == {FOOTER}
    assert found.damage is None


@PIECES
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_footer_above_a_header_again_is_no_record(bom: str, piece_bytes: int) -> None:
    part = f"{bom}{HEADER}L1,Asha,1\nTotal,,1\n(1 row affected)\n"
    found = in_pieces(part + part, piece_bytes)
    assert found.ids == ["L1", "L1"]
    assert [row for row, reason in found.reasons if reason == FOOTER] == [2, 6, 7]
    assert (4, HEADER_AGAIN) in found.reasons


@PIECES
def test_what_looks_like_a_footer_in_mid_file_is_a_record(piece_bytes: int) -> None:
    found = in_pieces(f"{HEADER}L1,Asha,1\nTotal,Mia,2\nSumme,Ravi,3\nL2,Ravi,2\n", piece_bytes)
    assert found.ids == ["L1", "Total", "Summe", "L2"]
    assert not found.refusals


@PIECES
def test_only_the_last_lines_are_looked_at(piece_bytes: int) -> None:
    found = in_pieces(HEADER + "Total,,1\n" * (FOOTER_LINES_MAX + 5), piece_bytes)
    assert found.rows == [1, 2, 3, 4, 5]
    assert found.reasons == [(row, FOOTER) for row in range(6, FOOTER_LINES_MAX + 6)]


@pytest.mark.parametrize(
    "last", ["Total Finance,x,1\n", "LEAD-12,,5\n", "ROW-7,,5\n", "Count Dracula,x,1\n", "5,Asha,6\n"]
)
def test_a_customer_in_the_last_line_stays_one(last: str) -> None:
    found = in_pieces(f"{HEADER}L1,Asha,1\n{last}", 1 << 20)
    assert len(found.ids) == 2


def test_reasons_hold_no_text_of_cells(tmp_path: Path) -> None:
    found = read_text(
        tmp_path, f"{HEADER},INR,\nL1,Asha,1\n{HEADER}Total canary,,4711\nTotal,canary,4711\n", id="loan_id"
    )
    assert all("anary" not in reason and "4711" not in reason for _, reason in found.reasons)


@PIECES
@pytest.mark.parametrize("form", ["END{:04}", "SUM-{:04}", "ROWS/{}", "Count {}"])
def test_ids_that_are_built_of_a_word_of_a_sum_are_no_footer(form: str, piece_bytes: int) -> None:
    ids = [form.format(number) for number in range(1, 31)]
    found = in_pieces(HEADER + "".join(f"{id_},Asha,1\n" for id_ in ids), piece_bytes)
    assert (found.ids, found.reasons) == (ids, [])


@PIECES
@pytest.mark.parametrize("footer", ["Total,,31\n", "Total,30,31\n", "Total,INR,31\n", "Total-count,2026-11-30,31\n"])
def test_what_stands_beside_the_word_of_a_sum_decides(footer: str, piece_bytes: int) -> None:
    assert in_pieces(f"{HEADER}L1,Asha,1\n{footer}", piece_bytes).reasons == [(2, FOOTER)]
    assert in_pieces(f"{HEADER}L1,Asha,1\nCount,Vlad,31\n", piece_bytes).ids == ["L1", "Count"]
