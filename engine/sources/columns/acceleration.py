"""The accelerator of columns: an extension in C beside that of NDJSON, for what Arrow has no quick way to do.

Nothing depends on it but speed: where it is missing, or declines, Arrow does the same. It is used if and only if that
of NDJSON is (`ndjson/acceleration.py`), and was built from this very version of its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc

from engine.sources.columns.column_text import join, spread
from engine.sources.ndjson.acceleration import accelerator
from engine.values import load_extension

SOURCE_DIGEST = "7d4415508f7770752f73b4d49216af88"
"""What the binary must say of its source."""


def _import_strings() -> ModuleType:
    from engine.sources.columns import _strings

    return _strings


strings = load_extension(_import_strings, SOURCE_DIGEST)[0] if accelerator is not None else None
"""The extension, or None."""


def join_rows(parts: Sequence[pa.StringArray | pa.DictionaryArray | str]) -> pa.StringArray:
    """Return the parts of each row joined; nulls count as empty text. At least one part is a column.

    A dictionary has numbers of 32 bits, and no nulls among its values.
    """
    rows = max(len(part) for part in parts if not isinstance(part, str))
    if strings is not None and rows:
        with suppress(OverflowError):
            offsets, text = strings.join_rows([_part(part) for part in parts], rows)
            return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))
    return join(*(part if isinstance(part, str) else spread(part) for part in parts), null_handling="replace")


def are_plain_numbers(text: pa.StringArray, *, whole: bool) -> bool:
    """Return whether all values but nulls surely are numbers as JSON has them, without an exponent, perhaps whole."""
    if strings is None or not len(text):
        return False
    are_plain: bool = strings.are_plain_numbers(_part(text), len(text), whole)
    return are_plain


def are_dates(text: pa.StringArray) -> bool:
    """Return whether all values but nulls surely are days as ISO 8601 has them, in the years 1 to 9999."""
    if strings is None or not len(text):
        return False
    are_days: bool = strings.are_dates(_part(text), len(text))
    return are_days


def stands_as_it_is(text: pa.StringArray) -> bool:
    """Return whether surely no value has a character that must be escaped inside a JSON string."""
    if strings is None or not len(text):
        return False
    stands: bool = strings.stands_as_it_is(_part(text), len(text))
    return stands


def may_hold(text: pa.StringArray, names: Sequence[str]) -> bool:
    """Return whether a value may be one of some names of lower case, in any case and with spaces and tabs around it."""
    if strings is None or not len(text):
        return True
    may: bool = strings.may_hold(_part(text), len(text), [name.encode() for name in names])
    return may


def number_texts(numbers: pa.Int64Array | pa.DoubleArray) -> pa.StringArray | None:
    """Return numbers as Arrow writes them; None if it is to do that itself."""
    if strings is None or not len(numbers):
        return None
    valid, values = numbers.buffers()
    are_floats, count = pa.types.is_floating(numbers.type), len(numbers)
    offsets, text, undone = strings.number_texts(numbers.offset, valid, values, are_floats, count)
    is_null = None if not numbers.null_count else pc.is_valid(numbers).buffers()[1]
    texts = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text), is_null)
    if undone is None:
        return texts
    others = pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(undone)])
    return pc.replace_with_mask(texts, others, numbers.filter(others).cast(pa.string()))


def _part(part: pa.StringArray | pa.DictionaryArray | str) -> object:
    """Return a part as `_strings.c` takes it."""
    if isinstance(part, str):
        return part.encode()
    if not pa.types.is_dictionary(part.type):
        return part.offset, *part.buffers()
    values = part.dictionary
    return part.offset, *part.indices.buffers(), (values.offset, None, *values.buffers()[1:]), len(values)
