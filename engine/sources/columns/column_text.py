"""Columns of text on their way to JSON: escaped, marked where they do not fit, and joined."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

_TRUE = pa.scalar(True, pa.bool_())

NULL = pa.scalar("null", pa.string())


class JsonText(NamedTuple):
    """A column as JSON text: `text[i]` is value i, or null if the value is null.

    Where few texts come again and again, `text` may be a dictionary of them, none of which is null (`spread`).
    `quoted` tells that the text is to be put between quotes, which waits until records are put together.
    `misfits[i]` is true if value i can't be sent, and `complaint` says why, as in "column 'x' {complaint}".
    """

    text: pa.StringArray | pa.DictionaryArray
    quoted: bool
    misfits: pa.BooleanArray | None = None
    complaint: str = ""


def spread(text: pa.StringArray | pa.DictionaryArray) -> pa.StringArray:
    """Return the text of a column with each value standing for itself."""
    return text.dictionary_decode() if pa.types.is_dictionary(text.type) else text


def valid_text(array: pa.Array) -> JsonText:
    """Return a column of text as it is, not escaped; what is not valid UTF-8 is marked as not fitting."""
    text = array.cast(pa.string()) if array.type != pa.string() else array
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return _partly_invalid_text(text)
    return JsonText(text, quoted=False)


def _partly_invalid_text(text: pa.StringArray) -> JsonText:
    values = [_decoded(value) for value in text.view(pa.binary()).to_pylist()]
    valid = pa.array(values, pa.string())
    misfits = pc.and_(text.is_valid(), valid.is_null())
    return JsonText(valid, quoted=False, misfits=misfits, complaint="is not valid UTF-8")


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def join(*parts: pa.StringArray | str, null_handling: Literal["emit_null", "replace"] = "emit_null") -> pa.StringArray:
    """Return the parts of each row joined. A row with a null in any part is null, or else nulls count as empty."""
    merged: list[Any] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    arguments = [_scalar(part) if isinstance(part, str) else part for part in merged]
    return pc.binary_join_element_wise(*arguments, _scalar(""), null_handling=null_handling, null_replacement="")


@lru_cache(maxsize=4096)
def _scalar(text: str) -> pa.StringScalar:
    return pa.scalar(text, pa.string())  # without the type, Arrow takes 50 µs to infer it


def complete(value: JsonText) -> pa.StringArray:
    """Return JSON values with their quotes; nulls stay nulls."""
    text = spread(value.text)
    return join('"', text, '"') if value.quoted else text


def any_of(masks: Sequence[pa.BooleanArray | None]) -> pa.BooleanArray | None:
    """Return where any of some masks is true."""
    found: pa.BooleanArray | None = None
    for mask in masks:
        if mask is not None:
            found = mask if found is None else pc.or_(found, mask)
    return found


def where_not(fits: pa.BooleanArray) -> pa.BooleanArray | None:
    """Return the mask of the values that do not fit (nulls do), or None if all of them fit."""
    return None if pc.all(fits, min_count=0).as_py() else pc.invert(fits.fill_null(_TRUE))
