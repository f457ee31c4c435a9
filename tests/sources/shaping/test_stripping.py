"""Of a number, `strip` removes what stands around it, and never a part of it."""

from __future__ import annotations

import pytest

from engine.sources.shaping.shaper import Misfit, Shaper
from engine.sources.spec import ColumnShape
from tests.sources.shaping.test_shaper import read


@pytest.mark.parametrize(
    ("text", "strip", "becomes"),
    [
        ("500", "Rs.", "500"),
        ("Rs.500", "Rs.", "500"),
        ("Rs. 500", "Rs.", "500"),
        ("500 Rs.", "Rs. ", "500"),
        ("500.", "Rs.", "500"),
        (".50", "Rs.", "0.50"),
        ("Rs..50", "Rs.", "0.50"),
        ("Rs. .50", "Rs. ", "0.50"),
        ("₹.50", "₹.", "0.50"),
        ("-Rs..50", "-Rs.", "-0.50"),
        ("...50", "Rs.", "misfit"),
        ("-500", "₹ /-", "-500"),
        ("₹ -500", "₹ /-", "-500"),
        ("-₹500", "₹ /-", "-500"),
        ("+500", "+", "500"),
        ("--500", "-", "misfit"),
        ("-+500", "-+", "misfit"),
        ("/-500", "/-", "misfit"),
        ("\u2212500", "\u2212", "misfit"),
        ("₹ \u2013500", "₹ \u2013", "misfit"),
        ("500/-", "/-", "500"),
        ("₹ 1,500/-", "₹ /-", "1500"),
        ("-500/-", "/-", "-500"),
        ("500.-", ".-", "500"),
        ("500 /-", " /-", "500"),
        ("500-", "-", "misfit"),
        ("500 -", " -", "misfit"),
        ("500.00-", "/-", "misfit"),
        ("500/--", "/-", "misfit"),
        ("(500)", "()", "misfit"),
        ("₹(500)", "₹()", "misfit"),
        ("500)", "()", "misfit"),
        ("(INR) 500", "(INR) ", "500"),
        ("500 (INR)", "(INR) ", "500"),
        ("-", "-", None),
        ("Rs. -/-", "Rs. /-", None),
    ],
)
def test_a_number_keeps_its_sign_and_its_decimal_mark(text: str, strip: str, becomes: str | None) -> None:
    assert read(text, type="number", strip=strip, thousands=",") == becomes


def test_a_decimal_comma_is_kept_where_numbers_have_one() -> None:
    assert read("€,50", type="number", strip="€,.", decimal=",") == "0.50"
    assert read("500,-", type="number", strip=",-", decimal=",") == "500"
    assert read("EUR.500", type="number", strip="EUR.", decimal=",") == "500"


def test_a_whole_number_is_not_made_of_a_fraction() -> None:
    assert read("Rs. .50", type="integer", strip="Rs. ") == "misfit"
    assert read("Rs.-50", type="integer", strip="Rs.-") == "-50"


def test_text_loses_whatever_is_named() -> None:
    assert read("-500-", strip="-") == '"500"'


def test_values_that_are_json_are_stripped_the_same_way() -> None:
    numbers = Shaper(ColumnShape(type="number", strip="₹ -"), (), is_text=False)
    assert numbers.json_to_json('"₹ -500"'.encode()) == b"-500"
    assert numbers.json_to_json(b"-500") == b"-500"
    with pytest.raises(Misfit, match="is not a number"):
        numbers.json_to_json(b'"500-"')
