"""What single values become: each step, their order, and that nothing is altered on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.sources.shaping.scalars import json_string, text_type
from engine.sources.shaping.shaper import Misfit, Shaper
from engine.sources.spec import ColumnShape


def shaper(*null_values: str, is_text: bool = True, **shape: Any) -> Shaper:
    return Shaper(ColumnShape(**shape), null_values, is_text=is_text)


def read(text: str, **shape: Any) -> str | None:
    """What becomes of text in a text format; "misfit" if it does not fit."""
    try:
        return shaper(**shape).text_to_json(text)
    except Misfit:
        return "misfit"


@pytest.mark.parametrize(
    ("text", "shape", "becomes"),
    [
        ("1,25,000.00", {"thousands": ","}, "125000.00"),
        ("12,34,56,789", {"thousands": ","}, "123456789"),
        ("1,250,000.5", {"thousands": ","}, "1250000.5"),
        ("125000.00", {"thousands": ","}, "125000.00"),
        ("999", {"thousands": ","}, "999"),
        ("-1,250", {"thousands": ","}, "-1250"),
        ("1.234,56", {"thousands": ".", "decimal": ","}, "1234.56"),
        ("1234,56", {"decimal": ","}, "1234.56"),
        ("99,10", {"decimal": ","}, "99.10"),
        ("1 234 567,8", {"thousands": " ", "decimal": ","}, "1234567.8"),
        ("1\u202f234\u00a0567", {"thousands": " "}, "1234567"),
        ("1'234.50", {"thousands": "'"}, "1234.50"),
        (" 1,000 ", {"thousands": ","}, "1000"),
        ("1,25,000", {"thousands": ",", "type": "integer"}, "125000"),
        ("00,001", {"thousands": ","}, "1"),
        ("9,007,199,254,740,993.10", {"thousands": ","}, "9007199254740993.10"),
    ],
)
def test_a_grouped_number_is_read_digit_for_digit(text: str, shape: dict[str, Any], becomes: str) -> None:
    assert read(text, **{"type": "number", **shape}) == becomes


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1,25", {"thousands": ","}),  # 1.25 of another country
        ("12,34", {"thousands": ","}),
        ("0,500", {"thousands": ","}),
        ("-0.500", {"thousands": ".", "decimal": ","}),
        ("1234,567", {"thousands": ","}),
        ("1,2345", {"thousands": ","}),
        ("1,,000", {"thousands": ","}),
        (",000", {"thousands": ","}),
        ("1,000,", {"thousands": ","}),
        ("1,000.00.1", {"thousands": ","}),
        ("1,000e3", {"thousands": ","}),
        ("1.234", {"decimal": ","}),
        ("1.234.56", {"thousands": ".", "decimal": ","}),
        ("1,000.5", {"thousands": ",", "type": "integer"}),
        ("١٢٣", {}),
        ("(500.00)", {}),
        ("12%", {}),
        ("-", {"thousands": ","}),
        (".", {}),
    ],
)
def test_a_mark_in_the_wrong_place_is_never_guessed(text: str, shape: dict[str, Any]) -> None:
    assert read(text, **{"type": "number", **shape}) == "misfit"


@pytest.mark.parametrize(
    ("text", "date_format", "becomes"),
    [
        ("01/12/2026", "%d/%m/%Y", '"2026-12-01"'),
        ("1-2-2026", "%d-%m-%Y", '"2026-02-01"'),
        ("28-Nov-26", "%d-%b-%y", '"2026-11-28"'),
        ("20261128", "%Y%m%d", '"2026-11-28"'),
        ("202611", "%Y%m%d", "misfit"),
        ("1112026", "%d%m%Y", "misfit"),
        ("01112026", "%d%m%Y", '"2026-11-01"'),
        ("28.11.2026 00:00", "%d.%m.%Y %H:%M", '"2026-11-28"'),
        ("28.11.2026 23:59", "%d.%m.%Y %H:%M", "misfit"),
        ("13/13/2026", "%d/%m/%Y", "misfit"),
        ("29/02/2026", "%d/%m/%Y", "misfit"),
        ("2026-11-28", "%d/%m/%Y", "misfit"),
        ("45992", "%d/%m/%Y", "misfit"),
    ],
)
def test_a_date_is_read_by_its_format_or_not_at_all(text: str, date_format: str, becomes: str) -> None:
    assert read(text, type="date", date_format=date_format) == becomes


@pytest.mark.parametrize(
    ("text", "date_format", "becomes"),
    [
        ("01112026", "%d%m%Y", '"2026-11-01"'),
        ("20261101", "%Y%m%d", '"2026-11-01"'),
        ("01NOV2026", "%d%b%Y", '"2026-11-01"'),
        ("1NOV2026", "%d%b%Y", '"2026-11-01"'),
        ("20261101 000000", "%Y%m%d %H%M%S", '"2026-11-01"'),
        ("1112026", "%d%m%Y", "misfit"),
        ("2026111", "%Y%m%d", "misfit"),
        ("11126", "%d%m%y", "misfit"),
    ],
)
def test_digits_that_nothing_parts_must_all_be_there(text: str, date_format: str, becomes: str) -> None:
    assert read(text, type="date", date_format=date_format) == becomes


def test_words_for_true_and_false_are_the_ones_that_are_given() -> None:
    assert read("Y", type="boolean", true=("Y",), false=("N",)) == "true"
    assert read("N", type="boolean", true=("Y",), false=("N",)) == "false"
    assert read("true", type="boolean", true=("Y",), false=("N",)) == "misfit"
    assert read("TRUE", type="boolean") == "true"
    assert read("No", type="boolean", true=("Ja",)) == "false"


def test_the_steps_come_in_their_order() -> None:
    """Trim, strip, null words, map, type; default last, for what is null then."""
    steps: dict[str, Any] = {
        "trim": True, "strip": "₹ ", "null_values": ("n/a",), "map": {"free": "0", "many": 999}, "thousands": ",",
        "type": "number", "default": -1,
    }  # fmt: skip
    assert read("  ₹ 1,500 ", **steps) == "1500"
    assert read(" ₹n/a ", **steps) == "-1"
    assert read(" ₹ ", **steps) == "-1"
    assert read("₹free", **steps) == "0"
    assert read("many", **steps) == "999"
    assert read("₹ some", **steps) == "misfit"


def test_a_mapped_text_still_has_to_fit_the_type() -> None:
    assert read("x", type="number", map={"x": "y"}) == "misfit"
    assert read("x", map={"x": 'with "quotes"'}) == '"with \\"quotes\\""'
    assert read("Y", map={"Y": True, "N": False}) == "true"


def test_null_words_of_the_source_and_of_the_column_add_up() -> None:
    both = shaper("NULL", null_values=("-",))
    assert both.text_to_json("NULL") is both.text_to_json("-") is None
    assert both.text_to_json("null") == '"null"'


@pytest.mark.parametrize(
    ("raw", "shape", "becomes"),
    [
        ('"\\u0041 "', {}, '"\\u0041 "'),  # the bytes that were written
        ('"\\u0041 "', {"trim": True}, '"A"'),
        ("1.50", {"trim": True}, "1.50"),
        ('""', {}, '""'),
        ('""', {"trim": True}, None),
        ('""', {"type": "number"}, None),
        ('"1,000"', {"type": "number", "thousands": ","}, "1000"),
        ("1e3", {"type": "number"}, "1e3"),
        ("1", {"type": "string"}, '"1"'),
        ("1", {"map": {"1": "one"}}, '"one"'),
        ("true", {"map": {"true": "yes"}}, '"yes"'),
        ("1", {"null_values": ("1",)}, None),
        ("null", {"default": "x"}, '"x"'),
        ("null", {}, None),
        ('"NULL"', {"null_values": ("NULL",), "default": 0}, "0"),
        ('{"a":1}', {"trim": True}, '{"a":1}'),
        ('"2026-01-01"', {"type": "date"}, '"2026-01-01"'),
    ],
)
def test_values_that_have_a_type_keep_it_unless_another_is_asked_for(
    raw: str, shape: dict[str, Any], becomes: str | None
) -> None:
    found = shaper(is_text=False, **shape).json_to_json(raw.encode())
    assert (None if found is None else found.decode()) == becomes


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2), st.sampled_from([",", ".", " ", "'"]))
def test_what_is_grouped_is_what_it_was(value: Any, mark: str) -> None:
    plain = f"{value:.2f}"
    decimal = "," if mark == "." else "."
    grouped = f"{value:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", mark)
    found = text_type(ColumnShape(type="number", thousands=mark, decimal=decimal)).read(grouped)
    assert found == plain


@given(st.text(st.characters(codec="utf-8")))
def test_text_without_a_shape_stays_text(text: str) -> None:
    assert shaper().text_to_json(text) == json_string(text)
