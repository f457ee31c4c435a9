"""A column of any type → JSON text, by the steps of `shaping/shaper.py`, taken for the whole column where that is safe.

`Shaper` says what the steps mean; a test compares both for columns of every kind.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.column_text import JsonText, any_of, complete, spread, where_not
from engine.sources.columns.escaping import escape
from engine.sources.columns.plain import plain
from engine.sources.columns.text_form import is_bytes, text_form
from engine.sources.columns.to_json import is_text, to_json
from engine.sources.columns.typed_text import by_value, typed_json
from engine.sources.shaping.shaper import Misfit, Shaper


def shaped_json(array: pa.Array, shaper: Shaper) -> JsonText:
    """Return a column of any type as JSON text after all steps; what is null then is null."""
    if shaper.changes_nothing:
        return to_json(array)
    array = plain(array)
    if is_text(array.type) or is_bytes(array.type):
        form = text_form(array)
        return _also_misfit(form, shaped_text(form.text, shaper))
    value = to_json(array)
    if shaper.shape.map or shaper.type:
        return _also_misfit(value, _each_value(complete(value), shaper))
    return _with_default(value._replace(text=without_words(spread(value.text), shaper)), shaper)


def shaped_text(text: pa.StringArray, shaper: Shaper) -> JsonText:
    """Return a column of valid text as JSON text after all steps."""
    if shaper.shape.map:
        return _each_value(complete(JsonText(escape(text), quoted=True)), shaper)
    text = without_words(trimmed(text, shaper), shaper)
    value = JsonText(escape(text), quoted=True) if shaper.type is None else typed_json(text, shaper.shape, shaper.type)
    return _with_default(value, shaper)


def shaped_ids(ids: JsonText, shaper: Shaper) -> JsonText:
    """Return the text of ids after the steps that ids can take: all but type and default."""
    text = without_words(trimmed(ids.text, shaper), shaper)
    if shaper.shape.map:
        words = {**shaper.words, **shaper.literals}
        found = pc.index_in(text, pa.array(words, pa.string()))
        text = pc.coalesce(pa.array(words.values(), pa.string()).take(found), text)
    return ids._replace(text=text)


def trimmed(text: pa.StringArray, shaper: Shaper) -> pa.StringArray:
    """Return text without what is to be removed at its ends."""
    text = pc.utf8_trim_whitespace(text) if shaper.trim else text
    if not shaper.strip:
        return text
    without = pc.utf8_trim(text, shaper.strip)
    if shaper.stripped is None:
        return without
    others = where_not(pc.match_substring_regex(text, shaper.stripped.regular))
    if others is None:
        return without
    values = [shaper.stripped(value) for value in text.filter(others).to_pylist()]
    return pc.replace_with_mask(without, others, pa.array(values, pa.string()))


def without_words(text: pa.StringArray, shaper: Shaper) -> pa.StringArray:
    """Return text in which the words that mean null are nulls."""
    if not shaper.null_words:
        return text
    words = pc.is_in(text, pa.array(sorted(shaper.null_words), pa.string()))
    return pc.if_else(words, pa.scalar(None, pa.string()), text) if pc.any(words, min_count=0).as_py() else text


def _each_value(json_text: pa.StringArray, shaper: Shaper) -> JsonText:
    """Take the steps for each different value: those that are mapped are few, and come often."""
    nulls: list[str] = []

    def read(value: str) -> str | None:
        try:
            found = shaper.json_to_json(value.encode())
        except Misfit:
            return None
        if found is None:
            nulls.append(value)
        return "null" if found is None else found.decode()

    value = by_value(json_text, read, shaper.type.complaint if shaper.type else "")
    if nulls:
        means_null = pc.is_in(json_text, pa.array(nulls, pa.string()))
        value = value._replace(text=pc.if_else(means_null, pa.scalar(None, pa.string()), spread(value.text)))
    return value if shaper.default is None else _filled(value, json_text.is_null(), shaper.default)


def _with_default(value: JsonText, shaper: Shaper) -> JsonText:
    if shaper.default is None or not value.text.null_count:
        return value
    nulls = value.text.is_null()
    return _filled(value, nulls if value.misfits is None else pc.and_not(nulls, value.misfits), shaper.default)


def _filled(value: JsonText, nulls: pa.BooleanArray, default: str) -> JsonText:
    text = pc.if_else(nulls, pa.scalar(default, pa.string()), complete(value))
    return value._replace(text=text, quoted=False)


def _also_misfit(before: JsonText, after: JsonText) -> JsonText:
    """Return a column of which some values did not even have a text."""
    if before.misfits is None:
        return after
    complaint = before.complaint if after.misfits is None else f"{before.complaint}, or {after.complaint}"
    text = pc.if_else(before.misfits, pa.scalar(None, pa.string()), spread(after.text))
    return after._replace(text=text, misfits=any_of([before.misfits, after.misfits]), complaint=complaint)
