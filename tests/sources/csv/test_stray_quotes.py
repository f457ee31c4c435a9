"""Quotes that are missing, or not doubled: nothing is swallowed, and cells with true line breaks stay whole."""

import csv as stdlib_csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings, strategies as st

from engine.sources.csv import table as csv_table
from engine.sources.csv.not_records import HEADER_AGAIN
from engine.sources.csv.stray_quotes import NEVER_CLOSED, SWALLOWS_ROWS
from tests.sources.tables import TableReading, read_text

ROWS = "".join(f"L{i},Nick {i},{i}\n" for i in range(2, 400))


def in_pieces(content: str, piece_bytes: int, **mapping: Any) -> TableReading:
    with TemporaryDirectory() as folder, patch.object(csv_table, "PIECE_BYTES", piece_bytes):
        return read_text(Path(folder), content, **mapping)


@pytest.mark.parametrize("piece_bytes", [16, 100, 1_000, 1 << 20])
@pytest.mark.parametrize(
    ("first", "behind"),
    [
        ('L1,"Bunty,1\n', ""),  # never closed
        ('L1,"Bunty,1\n', 'L400,15",400\n'),  # closed by an inch mark
        ('L1,"Bunty,1\n', 'L400,"Pune, MH",400\n'),  # closed by the quote that opens a cell
        ('L1,"Bunty,1\n', 'L400,", MH",400\n'),  # the same, and well, as it seems
        ('L1,"Pune, MH,1\n', 'L400,15",400\n'),  # the closing quote is missing
        ('L1,"Pune"",1\n', ""),  # it is doubled
        ('"L1,Bunty,1\n', '"L400",x,400\n'),
        ('L1,Bunty,"1\n', "L400,x,400\n"),
    ],
)
def test_a_quoted_cell_that_swallows_rows_is_refused_where_it_stands(first: str, behind: str, piece_bytes: int) -> None:
    found = in_pieces(f"id,nick,emi\n{first}{ROWS}{behind}", piece_bytes)
    assert found.reasons == [(1, SWALLOWS_ROWS)]
    assert found.refusals[0].raw == first.rstrip("\n")
    assert found.rows == list(range(2, 400 + bool(behind)))
    assert found.data[:2] == [{"nick": "Nick 2", "emi": "2"}, {"nick": "Nick 3", "emi": "3"}]
    assert found.damage is None


@pytest.mark.parametrize("piece_bytes", [16, 1 << 20])
def test_a_swallow_that_ends_badly_gives_its_rows_back(piece_bytes: int) -> None:
    """A header among the swallowed lines and a true multi-line cell behind them change nothing."""
    header = "no,id,nick,emi\n"
    swallowed = f'3,L3,Meena,5\n{header}4,L4,"Flat 2,\nMG Road",900\n'
    found = in_pieces(f'{header}1,L1,Asha,7\n2,L2,"Bunty,500\n{swallowed}5,L5,Ravi,8\n', piece_bytes)
    assert found.ids == ["L1", "L3", "L4", "L5"]
    assert found.data[2]["nick"] == "Flat 2,\nMG Road"
    assert found.reasons == [(2, SWALLOWS_ROWS), (4, HEADER_AGAIN)]


@pytest.mark.parametrize("last", ['L2,15",2\n', 'L2,"Pune, MH",2\n', 'L2,",",2\n', '"L2","x","2"\n'])
def test_the_very_next_row_may_close_it(last: str) -> None:
    found = in_pieces(f'id,nick,emi\nL1,"Bunty,1\n{last}L3,x,3\n', 1 << 20)
    assert found.reasons == [(1, SWALLOWS_ROWS)]
    assert found.ids == ["L2", "L3"]


def test_a_quote_that_swallows_many_pieces_costs_no_memory_and_no_row(tmp_path: Path) -> None:
    rows = "".join(f"L{i},{'x' * 90},{i}\n" for i in range(100_000))  # 10 MB
    found = read_text(tmp_path, f'id,nick,emi\nL,"Bunty,1\n{rows}L,15",4\nL,z,5\n', record_bytes_max=500_000)
    assert found.reasons == [(1, SWALLOWS_ROWS)]
    assert len(found.ids) == 100_002


def test_a_stray_quote_in_the_last_row_costs_that_row_alone(tmp_path: Path) -> None:
    found = read_text(tmp_path, 'id,nick,emi\nL1,x,1\nL2,"Bunty,2\n')
    assert (found.ids, found.reasons, found.damage) == (["L1"], [(2, NEVER_CLOSED)], None)


@pytest.mark.parametrize("tail", ['L2,"Bunty,2', 'L2,"Bun', 'L2,"Flat 5\nBandra', 'L2,"Flat 5\nBandra\n'])
def test_a_file_that_is_cut_inside_a_quoted_cell_cannot_be_trusted(tmp_path: Path, tail: str) -> None:
    found = read_text(tmp_path, f"id,nick,emi\nL1,x,1\n{tail}")
    assert found.ids == ["L1"]
    assert found.damage is not None
    assert "data row 2 is never closed" in found.damage


@pytest.mark.parametrize("piece_bytes", [16, 1 << 20])
@pytest.mark.parametrize(
    "address",
    [
        "Flat 5\nHill Road\nMumbai",
        "Flat 5, Hill Road\nBandra, Mumbai, 400050",
        "Flat 5, Hill Road,\nBandra, Mumbai,\nIndia",
        "Flat 5,Hill Road\nBandra\nMumbai",
        "Flat 5,Hill Road,\nBandra,Mumbai,India,\nPune,x,y,",
        "Flat 5,Hill Road\nTower 7,Near Park,Pune,411001\nIndia",
        "\n\n\n",
        'he said "yes",\nthen "no"\n, and left',
        'a\r\n"b"\r\n',
        "x" * 200 + "\n" + "y" * 200,
    ],
)
def test_cells_with_true_line_breaks_stay_whole(address: str, piece_bytes: int) -> None:
    written = io.StringIO(newline="")
    stdlib_csv.writer(written).writerows(
        [["id", "address", "city", "emi"], *[[f"L{i}", address, "Pune, MH", str(i)] for i in range(9)]]
    )
    found = in_pieces(written.getvalue(), piece_bytes)
    assert found.data == [{"address": address, "city": "Pune, MH", "emi": str(i)} for i in range(9)]
    assert not found.refusals


def test_lines_that_mostly_have_the_headers_number_of_cells_are_taken_for_rows(tmp_path: Path) -> None:
    """This is what it costs that no row is swallowed."""
    found = read_text(tmp_path, 'id,a,b\nL1,"x\n1,2,3\n4,5,6\ny",2\n')
    assert found.reasons == [(1, SWALLOWS_ROWS), (4, "the row has fewer cells than the header")]


def test_a_table_of_one_column_has_no_rows_to_be_told_from_text(tmp_path: Path) -> None:
    found = read_text(tmp_path, 'id\n"a\nb\nc"\nd\n', fields=("id",))
    assert found.ids == ["a\nb\nc", "d"]


def test_a_reason_names_escapes_where_a_backslash_stands_before_the_quote(tmp_path: Path) -> None:
    found = read_text(tmp_path, 'id,a,b\n1,"Flat 12\\"",x\n2,"5\\"x",y\n3,p\n4,"C:\\",z\n5,"a\\" b, c",z\n')
    assert found.ids == ["4"]
    assert [reason.partition("; if")[2] for _, reason in found.reasons if "escape" in reason] == [
        ' the backslash before a quote escapes it, set source.escape = "\\\\"'
    ] * 3


cell = st.text(st.sampled_from("ab1 .+é"), min_size=1, max_size=5).map(lambda text: f"{text.strip()}7")
one_word = cell.map(lambda text: text.replace(" ", ""))
"""Ids: where one has a space and another has none, lines may be taken for prose."""


@settings(max_examples=400, deadline=None)
@given(
    rows=st.lists(st.tuples(one_word, cell, cell).map(list), min_size=3, max_size=30),
    quoting=st.sampled_from([stdlib_csv.QUOTE_MINIMAL, stdlib_csv.QUOTE_ALL]),
    where=st.tuples(st.integers(0), st.integers(0, 2)),
    piece_bytes=st.integers(8, 60) | st.just(1 << 20),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
)
@example(rows=[["a", "b", "c"]] * 40, quoting=0, where=(0, 1), piece_bytes=8, line_end="\n")
def test_a_stray_quote_in_one_row_leaves_every_other_row_as_it_is(
    rows: list[list[str]], quoting: Any, where: tuple[int, int], piece_bytes: int, line_end: str
) -> None:
    """The quote is put at the start of a cell, where it opens one (or breaks one that is quoted)."""
    stray, column = where[0] % len(rows), where[1]
    written = []
    for index, row in enumerate([["id", "name", "city"], *rows]):
        text = io.StringIO(newline="")
        stdlib_csv.writer(text, quoting=quoting, lineterminator=line_end).writerow(row)
        cells = text.getvalue().split(",")
        if index == stray + 1:
            cells[column] = '"' + cells[column]
        written.append(",".join(cells))
    found = in_pieces("".join(written), piece_bytes)
    others = [(number, row) for number, row in enumerate(rows, 1) if number != stray + 1]
    assert [refusal.place.row for refusal in found.refusals] == [stray + 1]
    assert found.rows == [number for number, _ in others]
    assert found.ids == [row[0] for _, row in others]
    assert found.data == [{"name": row[1], "city": row[2]} for _, row in others]
    assert found.damage is None
