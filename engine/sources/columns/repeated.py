"""Columns in which few values come again and again, as due dates and rates do: each of them is converted once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import pyarrow as pa

from engine.sources.columns.column_text import JsonText

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
        return found._replace(text=found.text.take(values.indices), misfits=misfits)

    return converted


_BITS = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
