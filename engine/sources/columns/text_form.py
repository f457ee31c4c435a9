"""Values of any type as the text that words in the configuration are compared with."""

from __future__ import annotations

import pyarrow as pa

from engine.sources.columns.to_json import JsonText, is_text, to_json, valid_text


def text_form(array: pa.Array) -> JsonText:
    """Return the text of values, not escaped: text itself, numbers and dates as they are sent, lists as their JSON.

    Nulls stay nulls. Text that is not valid UTF-8 is marked as not fitting, and so is what `to_json` marks.
    """
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return text_form(array.dictionary_decode())
    if is_bytes(type_):
        array = array.cast(pa.binary()).view(pa.string())
    if is_text(array.type):
        return valid_text(array)
    return to_json(array)._replace(quoted=False)


def is_bytes(type_: pa.DataType) -> bool:
    """Return whether values of `type_` are bytes that may or may not be text."""
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(is_it(type_) for is_it in kinds)
