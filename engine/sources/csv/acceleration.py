"""The accelerator of CSV: an extension in C that splits text without quotes into cells.

Nothing depends on it but speed: where it is missing, or declines, Arrow reads the text. It is used if and only if that
of NDJSON is (`ndjson/acceleration.py`), and was built from this very version of its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import pyarrow as pa

from engine.sources.ndjson.acceleration import accelerator
from engine.values import load_extension

SOURCE_DIGEST = "522257c1bdc17e5b68e0077a6230a776"
"""What the binary must say of its source."""


def _import_cells() -> ModuleType:
    from engine.sources.csv import _cells

    return _cells


cells = load_extension(_import_cells, SOURCE_DIGEST)[0] if accelerator is not None else None
"""The extension, or None."""


def split_cells(
    data: bytes, end: int, delimiter: bytes, columns: int, wanted: Sequence[int]
) -> list[pa.StringArray] | None:
    """Return the wanted ones of so many columns of `data[:end]`; an empty cell is null.

    Nothing may be quoted or escaped. None where somebody else must read it: the rows have other cells than there are
    columns, or line ends are unusual.
    """
    found = None if cells is None else cells.split(data, end, delimiter[0], columns, list(wanted))
    if found is None:
        return None
    rows, split = found
    return [pa.StringArray.from_buffers(rows, *map(_buffer, (offsets, text, valid))) for valid, offsets, text in split]


def _buffer(raw: bytes | None) -> pa.Buffer | None:
    return None if raw is None else pa.py_buffer(raw)
