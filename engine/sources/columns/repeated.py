"""Columns in which few values come again and again, as due dates and rates do: each of them is converted once.

They stay dictionaries, numbers of their values beside these, until rows are put together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import pyarrow as pa

from engine.sources.columns.column_text import JsonText
from engine.sources.columns.escaping import escape

LOOKED_AT = 256
"""How many values tell whether a column is one of these. Half of them must have come before."""

PAYS_FROM = 4 * LOOKED_AT
"""Shorter columns are converted as they are."""

_NOT_A_MISFIT = pa.scalar(False, pa.bool_())


def each_once(convert: Callable[[pa.Array], JsonText]) -> Callable[[pa.Array], JsonText]:
    """Let `convert`, which looks at each value by itself, look at each different value once where there are few.

    Values are told apart by their bits: 0.0 and -0.0 are two. They have 16, 32 or 64 of them.
    """

    @wraps(convert)
    def converted(array: pa.Array) -> JsonText:
        bits = array.view(_BITS[array.type.bit_width])
        if len(array) < PAYS_FROM or 2 * len(bits.slice(0, LOOKED_AT).unique()) > LOOKED_AT:
            return convert(array)
        values = bits.dictionary_encode()
        found = convert(values.dictionary.view(array.type))
        misfits = None if found.misfits is None else found.misfits.take(values.indices).fill_null(_NOT_A_MISFIT)
        return found._replace(text=as_few(found.text, values.indices), misfits=misfits)

    return converted


def as_few(values: pa.StringArray, indices: pa.Int32Array) -> pa.StringArray | pa.DictionaryArray:
    """Return a column in which value i is `values[indices[i]]`; a dictionary if none of `values` is null."""
    if values.null_count or not len(values):
        return values.take(indices)
    return pa.DictionaryArray.from_arrays(indices, values, safe=False)


def is_of_few_texts(array: pa.Array) -> bool:
    """Return whether a column is a dictionary of texts, fewer by half at least than its rows."""
    type_ = array.type
    if not pa.types.is_dictionary(type_) or (type_.index_type, type_.value_type) != (pa.int32(), pa.string()):
        return False
    return 0 < 2 * len(array.dictionary) <= len(array) and not array.dictionary.null_count


def few_texts_json(array: pa.DictionaryArray) -> JsonText | None:
    """Return a column of few texts as JSON text; None if any of it is not valid."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return JsonText(as_few(escape(array.dictionary), array.indices), quoted=True)


_BITS = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
