"""What the values of a column are taken for; a form that is proposed reads every value that was not called odd."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engine.commands.init.guesses import FORMS, Meaning
from engine.sources import ColumnShape
from engine.sources.shaping.shaper import Shaper


def meaning(*values: str) -> Meaning:
    found = Meaning()
    for row, value in enumerate(values, 1):
        found.add(value, row)
    return found


def shape(*values: str) -> dict[str, Any] | None:
    best = meaning(*values).best()
    if best is None:
        return None
    unset = ColumnShape()
    keys = ("type", "decimal", "thousands", "date_format", "true", "false")
    return {key: getattr(best.shape, key) for key in keys if getattr(best.shape, key) != getattr(unset, key)}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["1", "-5", "1000"], {"type": "integer"}),
        (["1", "5.50"], {"type": "number"}),
        (["20261128", "20251231"], {"type": "date", "date_format": "%Y%m%d"}),
        (["28112026", "01122026"], {"type": "date", "date_format": "%d%m%Y"}),
        (["20261128", "20261399"], {"type": "integer"}),
        (["15001128", "202611"], {"type": "integer"}),
        (["5010012345678012"], None),
        (["2 November 2026", "30 May 2026"], {"type": "date", "date_format": "%d %B %Y"}),
        (["November 2, 2026"], {"type": "date", "date_format": "%B %d, %Y"}),
        (["1,25,000.00", "99"], {"type": "number", "thousands": ","}),
        (["1,250,000", "7"], {"type": "number", "thousands": ","}),
        (["1.234,56", "7"], {"type": "number", "thousands": ".", "decimal": ","}),
        (["1234,56", "7,1"], {"type": "number", "decimal": ","}),
        (["1 234,5", "7"], {"type": "number", "thousands": " ", "decimal": ","}),
        (["₹ 1,500", "Rs. 20", "500 INR"], {"type": "number", "thousands": ","}),
        (["2026-11-28"], {"type": "date"}),
        (["28/11/2026", "1/2/2026"], {"type": "date", "date_format": "%d/%m/%Y"}),
        (["11/28/2026", "1/2/2026"], {"type": "date", "date_format": "%m/%d/%Y"}),
        (["28-Nov-2026"], {"type": "date", "date_format": "%d-%b-%Y"}),
        (["28.11.26"], {"type": "date", "date_format": "%d.%m.%y"}),
        (["Y", "N", "Y"], {"type": "boolean", "true": ("Y",), "false": ("N",)}),
        (["true", "false"], {"type": "boolean"}),
        (["Yes", "no"], {"type": "boolean"}),
        (["1", "0"], {"type": "integer"}),
        (["007", "8"], None),  # a name: as a number it would lose its zeros
        (["+919800000001"], None),
        (["1234567890123456789012"], None),
        (["1.5E+12"], None),
        (["Asha", "Ravi"], None),
        (["1", "x"], None),
        (["01/12/2026", "2026-12-13", "45992"], None),
        (["12%", "(500.00)"], None),
    ],
)
def test_a_form_is_recognised_or_none(values: list[str], found: dict[str, Any] | None) -> None:
    assert shape(*values) == found


def test_a_few_odd_values_do_not_turn_numbers_into_text() -> None:
    found = meaning(*["12"] * 50, "twelve", *["7"] * 50, "about 5")
    best = found.best()
    assert best is not None
    assert (best.shape.type, best.odd, best.odd_rows) == ("integer", 2, [51, 102])


def test_what_may_mean_two_things_is_told() -> None:
    for values, expected in (
        (["01/02/2026", "03/04/2026"], ["%m/%d/%Y"]),
        (["13/02/2026"], []),
    ):
        found = meaning(*values)
        best = found.best()
        assert best is not None
        assert [guess.shape.date_format for guess in found.as_good_as(best)] == expected
    found = meaning("1,500", "2,250")
    best = found.best()
    assert best is not None
    assert best.shape.thousands == ","
    assert {guess.shape.decimal for guess in found.as_good_as(best)} == {","}


def test_the_dot_of_a_currency_sign_is_stripped_and_a_decimal_one_is_not() -> None:
    found = meaning("Rs.500", "Rs..50", ".50")
    best = found.best()
    assert best is not None
    shaper = Shaper(replace(best.shape, strip=found.strip), (), is_text=True)
    assert [shaper.text_to_json(value) for value in ("Rs.500", "Rs..50", ".50")] == ["500", "0.50", "0.50"]


@given(
    st.lists(st.sampled_from(["1", "1,000", "1.5", "x", "2026-01-01", "1/1/2026", "Y", "₹5", "007", "-"]), max_size=30)
)
def test_a_likely_form_reads_all_but_the_odd_values(values: list[str]) -> None:
    found = meaning(*values)
    best = found.best()
    if best is not None:
        assert best.fits + best.odd == len(values)
        assert best.odd <= len(values) * 0.05
        assert best.shape in FORMS
