"""Columns of text with a declared type → JSON text, exact: no value passes through a float.

What the types mean stands in `shaping/scalars.py`. Most cells already are what JSON wants, which whole columns can
show at once; only the others are read one by one. What does not fit its type is left out and marked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.acceleration import are_dates, are_plain_numbers
from engine.sources.columns.column_text import NULL, JsonText, spread, where_not
from engine.sources.columns.escaping import escape
from engine.sources.columns.repeated import as_few
from engine.sources.shaping.scalars import NumberForm, TextType
from engine.sources.spec import ColumnShape

_FIRST_DATE = pa.scalar(date(1, 1, 1))


def typed_json(text: pa.StringArray, shape: ColumnShape, type_: TextType) -> JsonText:
    """Return a column of valid text as JSON text of the type that `shape` names; nulls stay nulls."""
    if shape.type in (None, "string"):
        return JsonText(escape(text), quoted=True)
    if shape.type in ("integer", "number"):
        form = NumberForm(shape.decimal, shape.thousands, whole=shape.type == "integer")
        return _numbers(text, form, type_)
    if shape.type == "date" and shape.date_format is None and _are_dates(text):
        return JsonText(text, quoted=True)
    value = by_value(text, type_.read, type_.complaint)
    return _with_json_nulls(value) if shape.type == "json" else value


def by_value(text: pa.StringArray, read: Callable[[str], str | None], complaint: str) -> JsonText:
    """Return a column as JSON text, each different value read once."""
    values = text.dictionary_encode()
    found = pa.array([read(value) for value in values.dictionary.to_pylist()], pa.string())
    taken = as_few(found, values.indices)
    misfits = pc.and_(text.is_valid(), taken.is_null()) if found.null_count else None
    return JsonText(taken, False, misfits, complaint)


def _with_json_nulls(value: JsonText) -> JsonText:
    """Return a column in which what is a null as JSON is a null."""
    text = spread(value.text)
    return value._replace(text=pc.if_else(pc.equal(text, NULL), pa.scalar(None, pa.string()), text))


def _numbers(text: pa.StringArray, form: NumberForm, type_: TextType) -> JsonText:
    if form.is_plain and are_plain_numbers(text, whole=form.whole):
        return JsonText(text, quoted=False)
    written = text if form.is_plain else _ungrouped(text, form)
    plain = _plain_integers(written) if form.whole else _plain_numbers(written)
    if not form.is_plain:
        plain = pc.and_(plain, pc.match_substring_regex(text, f"^(?:{form.pattern})$"))
    others = where_not(plain)
    if others is None:
        return JsonText(written, quoted=False)
    values = [type_.read(value) for value in text.filter(others).to_pylist()]
    written = pc.replace_with_mask(written, others, pa.array(values, pa.string()))
    misfits = pc.and_(others, written.is_null()) if None in values else None
    return JsonText(written, False, misfits, type_.complaint)


def _ungrouped(text: pa.StringArray, form: NumberForm) -> pa.StringArray:
    for mark in form.thousands:
        text = pc.replace_substring(text, mark, "")
    return text if form.decimal == "." else pc.replace_substring(text, form.decimal, ".")


def _plain_integers(text: pa.StringArray) -> pa.BooleanArray:
    try:
        return pc.equal(text.cast(pa.int64()).cast(pa.string()), text)
    except pa.ArrowInvalid:
        return pc.match_substring_regex(text, r"^(0|-?[1-9][0-9]*)$")


def _plain_numbers(text: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(text, r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$")


def _are_dates(text: pa.StringArray) -> bool:
    if are_dates(text):
        return True
    try:
        days = text.cast(pa.date32())
    except pa.ArrowInvalid:
        return False
    from_first: bool = pc.all(pc.greater_equal(days, _FIRST_DATE), min_count=0).as_py()
    return from_first
