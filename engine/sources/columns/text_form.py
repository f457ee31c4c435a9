"""Values of any type as text that is not JSON: for ids, and to compare with the words of the configuration."""

from __future__ import annotations

import pyarrow as pa

from engine.sources.columns.column_text import JsonText, spread, valid_text
from engine.sources.columns.plain import plain, plain_type
from engine.sources.columns.to_json import is_text, to_json


def text_form(array: pa.Array) -> JsonText:
    """Return the text of values, not escaped: text itself, numbers and dates as they are sent, lists as their JSON.

    Nulls stay nulls. Bytes are read as UTF-8; what is not valid UTF-8 is marked as not fitting, and so is what
    `to_json` marks.
    """
    array = plain(array)
    if is_bytes(array.type):
        array = array.cast(pa.binary()).view(pa.string())
    if is_text(array.type):
        return valid_text(array)
    value = to_json(array)
    return value._replace(text=spread(value.text), quoted=False)


def is_bytes(type_: pa.DataType) -> bool:
    """Return whether values of `type_` are bytes that may or may not be text."""
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(is_it(plain_type(type_)) for is_it in kinds)
