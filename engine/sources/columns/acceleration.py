"""The accelerator of columns: an extension in C beside that of NDJSON, for what Arrow has no quick way to do.

Nothing depends on it but speed: where it is missing, or declines, Arrow does the same. It is used if and only if that
of NDJSON is (`ndjson/acceleration.py`), and was built from this very version of its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

import pyarrow as pa

from engine.sources.columns.column_text import join
from engine.sources.ndjson.acceleration import accelerator
from engine.values import load_extension

SOURCE_DIGEST = "244cb9e1a9c90082c2c6ffe0d61c0098"
"""What the binary must say of its source."""


def _import_strings() -> ModuleType:
    from engine.sources.columns import _strings

    return _strings


strings = load_extension(_import_strings, SOURCE_DIGEST)[0] if accelerator is not None else None
"""The extension, or None."""


def join_rows(parts: Sequence[pa.StringArray | str]) -> pa.StringArray:
    """Return the parts of each row joined; nulls count as empty text. At least one part is a column."""
    rows = max(len(part) for part in parts if not isinstance(part, str))
    if strings is not None and rows:
        with suppress(OverflowError):
            offsets, text = strings.join_rows([_part(part) for part in parts], rows)
            return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))
    return join(*parts, null_handling="replace")


def are_plain_numbers(text: pa.StringArray, *, whole: bool) -> bool:
    """Return whether all values but nulls surely are numbers as JSON has them, without an exponent, perhaps whole."""
    if strings is None or not len(text):
        return False
    are_plain: bool = strings.are_plain_numbers(_part(text), len(text), whole)
    return are_plain


def _part(part: pa.StringArray | str) -> bytes | tuple[int, pa.Buffer | None, pa.Buffer, pa.Buffer | None]:
    return part.encode() if isinstance(part, str) else (part.offset, *part.buffers())
