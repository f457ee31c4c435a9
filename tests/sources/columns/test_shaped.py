"""Whole columns take the same steps as single values: both ways to shape are compared."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings, strategies as st

from engine.sources.columns.shaped import shaped_ids, shaped_json, shaped_text
from engine.sources.columns.text_form import text_form
from engine.sources.columns.to_json import JsonText, complete, to_json
from engine.sources.shaping.shaper import Misfit, Shaper
from engine.sources.spec import ColumnShape

PIECES = [
    "",
    " ",
    "₹",
    "Rs.",
    "NULL",
    "n/a",
    "-",
    "+",
    "0",
    "1",
    "12",
    "007",
    "1,000",
    "1,25,000",
    "1.234,5",
    ".5",
    "5.",
]
PIECES += [
    "5.",
    "Y",
    "N",
    "true",
    "YES",
    "2026-11-28",
    "28-11-2026",
    "28/02/26",
    " 00:00",
    "T00:00:00",
    '{"a": 1}',
    "[1]",
    "null",
]
PIECES += ["\u00a0", "\u202f", "\t", "\n", "é", "हिन्दी", '"', "\\", "\x01", "e5", "1e400", "१२"]
texts = st.lists(st.sampled_from(PIECES), max_size=3).map("".join) | st.text(st.characters(codec="utf-8"), max_size=4)

SHAPES: list[dict[str, Any]] = [
    {},
    {"type": "string"},
    {"type": "integer"},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "date"},
    {"type": "json"},
    {"type": "number", "thousands": ","},
    {"type": "integer", "thousands": ","},
    {"type": "number", "thousands": ".", "decimal": ","},
    {"type": "number", "thousands": " "},
    {"type": "number", "decimal": ","},
    {"type": "date", "date_format": "%d-%m-%Y"},
    {"type": "boolean", "true": ("Y",), "false": ("N", "")},
    {"map": {"Y": "yes", "1": True, "": "empty"}},
    {"type": "number", "map": {"Y": "1", "N": 0}},
]
STEPS: list[dict[str, Any]] = [
    {},
    {"trim": True},
    {"strip": "₹ Rs."},
    {"trim": True, "strip": "-"},
    {"strip": "₹Rs. /-+()"},
    {"null_values": ("NULL", "-", "1")},
    {"default": 0},
    {"default": 'a "word"', "null_values": ("n/a",)},
]
shapes = st.builds(lambda shape, steps: ColumnShape(**shape, **steps), st.sampled_from(SHAPES), st.sampled_from(STEPS))


def one_by_one(values: list[str | None], shaper: Shaper, *, typed: bool) -> tuple[list[str | None], list[bool]]:
    found: list[str | None] = []
    misfits = []
    for value in values:
        try:
            if value is None:
                shaped = shaper.default
            elif typed:
                raw = shaper.json_to_json(value.encode())
                shaped = None if raw is None else raw.decode()
            else:
                shaped = shaper.text_to_json(value)
            found.append(shaped)
            misfits.append(False)
        except Misfit:
            found.append(None)
            misfits.append(True)
    return found, misfits


def as_lists(value: JsonText) -> tuple[list[str | None], list[bool]]:
    misfits = [False] * len(value.text) if value.misfits is None else value.misfits.to_pylist()
    return complete(value).to_pylist(), misfits


@settings(max_examples=400)
@given(st.lists(st.none() | texts.filter(bool), max_size=12), shapes)
def test_a_column_of_text_becomes_what_its_values_become(values: list[str | None], shape: ColumnShape) -> None:
    shaper = Shaper(shape, ("nil",), is_text=True)
    found = shaped_text(pa.array(values, pa.string()), shaper)
    assert as_lists(found) == one_by_one(values, shaper, typed=False)


MARKS = "₹Rs. /-+(),\u2212\n[]^\\'é"


@settings(max_examples=400)
@given(
    st.lists(st.none() | st.text(st.sampled_from(f"{MARKS}05X"), max_size=7), max_size=12),
    st.text(st.sampled_from(MARKS), min_size=1, max_size=7),
    st.sampled_from(".,"),
)
def test_a_column_of_numbers_is_stripped_as_its_values_are(values: list[str | None], strip: str, decimal: str) -> None:
    shaper = Shaper(ColumnShape(type="number", strip=strip, decimal=decimal), (), is_text=True)
    found = shaped_text(pa.array(values, pa.string()), shaper)
    assert as_lists(found) == one_by_one(values, shaper, typed=False)


TYPED = [
    pa.array([1, None, 0, -5, 2**63 - 1]),
    pa.array([1.5, None, 1e300, -0.0]),
    pa.array([True, None, False]),
    pa.array([Decimal("12.50"), None, Decimal("1.00")]),
    pa.array([date(2026, 11, 28), None]),
    pa.array([datetime(2026, 11, 28, 1, 2, tzinfo=UTC), None]),
    pa.array(["Y", None, "", "1,000", " x ", "NULL"]),
    pa.array(["Y", None, "", "Y"]).dictionary_encode(),
    pa.array([[1, 2], None, []]),
    pa.array([{"a": 1}, None]),
]


@given(st.sampled_from(TYPED), shapes)
def test_a_column_of_any_type_becomes_what_its_values_become(array: pa.Array, shape: ColumnShape) -> None:
    shaper = Shaper(shape, ("nil",), is_text=False)
    found, misfits = as_lists(shaped_json(array, shaper))
    values = complete(to_json(array)).to_pylist()
    expected, expected_misfits = one_by_one(values, shaper, typed=True)
    assert misfits == expected_misfits
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or json.loads(one) == json.loads(other)


def test_bytes_are_text_where_a_type_is_declared() -> None:
    array = pa.array([b"12", b"\xff", None, b"x"], pa.binary())
    found = shaped_json(array, Shaper(ColumnShape(type="number"), (), is_text=False))
    assert as_lists(found) == (["12", None, None, None], [False, True, False, True])


def test_ids_take_all_steps_but_type_and_default() -> None:
    shape = ColumnShape(trim=True, null_values=("none",), map={"LN 1": "LN1", "2": 2})
    ids = shaped_ids(text_form(pa.array([" LN 1", "none", " ", "2", "x"])), Shaper(shape, (), is_text=True))
    assert ids.text.to_pylist() == ["LN1", None, None, "2", "x"]
