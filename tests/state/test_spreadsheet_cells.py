"""What a spreadsheet shows of a cell is what stood in the record, and nothing in a cell is calculated."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from engine.state.spreadsheet_cells import CELL_CHARACTERS_MAX, FORMULA_STARTS, json_cell, text_cell


@pytest.mark.parametrize("start", sorted(FORMULA_STARTS))
def test_what_begins_like_a_formula_is_text(start: str) -> None:
    assert text_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    "text",
    [
        "00123", "9876543210", "919876543210", "2026-05-01", "01/05/26", "May 5", "5-Sep-2026", "1E5", "12:30 pm",
        "1,250.50", "3/4", "50%", "₹ 12", "true", "FALSE", "#N/A", " 7 ", "٣",
    ],
)  # fmt: skip
def test_what_would_become_a_number_or_a_date_stays_text(text: str) -> None:
    assert text_cell(text) == f'="{text}"'


@pytest.mark.parametrize(
    "text", ["Asha", "LN-MUM-0106405", "Flat 12, MG Road", "HTTP 400", "रमेश", "a=b", '{"may": 5}', ""]
)
def test_other_text_stands_as_it_is(text: str) -> None:
    assert text_cell(text) == text


def test_digits_that_fit_into_no_formula_stay_text() -> None:
    assert text_cell("7" * 300) == "'" + "7" * 300
    assert text_cell("1\n2") == "'1\n2"


def test_a_text_that_is_too_long_for_a_cell_says_that_it_is_cut() -> None:
    cell = text_cell("x" * 40_000)
    assert (len(cell), cell[-1]) == (CELL_CHARACTERS_MAX, "…")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("1250.10", "1250.10"),
        ("-5", "-5"),
        ("0", "0"),
        ("12345678901", "12345678901"),
        ("123456789012", '="123456789012"'),  # shown as 1.23E+11
        ("-123456789012", '="-123456789012"'),
        ("0.1234567890123456", '="0.1234567890123456"'),
        ("1e999", '="1e999"'),
        ("true", "true"),
        ("null", ""),
        ('"00123"', '="00123"'),
        (r'"\u00e9\n=1"', "é\n=1"),
        ('{"a": [1]}', '{"a": [1]}'),
        ("[-1]", "[-1]"),
    ],
)
def test_values_of_json(value: str, cell: str) -> None:
    assert json_cell(value.encode()) == cell


def undone(cell: str) -> str:
    if cell.startswith('="'):
        return cell[2:-1].replace('""', '"')
    return cell.removeprefix("'")


@given(st.text() | st.from_regex(r"\A['=+@-]?[0-9 .:/eEmayMAY\"-]{1,12}\Z"))
def test_every_cell_can_be_undone_and_none_is_a_formula_but_a_text(text: str) -> None:
    cell = text_cell(text)
    assert undone(cell) == text
    assert (
        not cell or cell[0] not in FORMULA_STARTS or (cell.startswith('="') and '"' not in cell[2:-1].replace('""', ""))
    )


@given(st.text(st.characters(codec="utf-8")))
def test_texts_of_json_can_be_undone(text: str) -> None:
    assert undone(json_cell(json.dumps(text).encode())) == text
