"""The accelerator: an extension in C that proves lines of NDJSON at once, and tells ids apart by numbers.

Nothing depends on it but speed: what it declines, and everything where it is missing, is read in Python.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.values import load_extension

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from engine.sources.ndjson import _scan

KEPT_BYTES = 64 << 20
"""How much freed memory a process keeps for its next chunks: getting it from the system again takes a tenth of all CPU
time."""

SOURCE_DIGEST = "83d8c4a62041cfce9f16308169afd521"
"""What the binary must say of its source: it is not used if it was built from another version of it."""


def _import_scan() -> ModuleType:
    from engine.sources.ndjson import _scan

    return _scan


id_seed = int.from_bytes(os.urandom(8), "big")
"""What the numbers are made with that stand for ids in this process: nobody can choose ids that have the same."""

accelerator, why_pure = load_extension(_import_scan, SOURCE_DIGEST)
"""The extension, or None; and if so, why, as a sentence without its end."""


def extension() -> ModuleType:
    """Return the extension, where it is there."""
    if accelerator is None:
        raise RuntimeError(f"there is no accelerator: {why_pure}")
    return accelerator


def keep_freed_memory() -> None:
    """Have this process keep freed memory for what it allocates next, if it can."""
    if accelerator is not None:
        accelerator.keep_memory(KEPT_BYTES)


def put_elements(target: memoryview, lines: bytes) -> None:
    """Write lines that are joined by newlines to the start of `target`, joined by commas."""
    if accelerator is not None:
        accelerator.put_elements(target, lines)
    else:
        target[: len(lines)] = lines.replace(b"\n", b",")


def nth_newline(lines: bytes, number: int) -> int:
    """Return where newline `number`, counted from 1, is in `lines`; there must be one. -1 for number 0."""
    if accelerator is not None:
        found: int = accelerator.nth_newline(lines, number)
        return found
    position = -1
    for _ in range(number):
        position = lines.index(b"\n", position + 1)
    return position


def canonical_scanner(line_bytes_max: int) -> _scan.CanonicalScanner:
    """Return a new scanner of canonical lines, which declines lines that are longer."""
    scanner: _scan.CanonicalScanner = extension().CanonicalScanner(line_bytes_max, id_seed)
    return scanner


def numbers_of(ids: Sequence[str]) -> bytes:
    """Return the numbers that stand for some ids in this process, as `Block` has them."""
    numbers: bytes = extension().numbers_of_ids([each.encode() for each in ids], id_seed)
    return numbers


def numbers_of_column(ids: pa.StringArray) -> bytes | None:
    """Return the same for a column of ids, none of which is null or empty; None in pure Python."""
    if accelerator is None:
        return None
    _, offsets, text = ids.buffers()
    numbers: bytes = accelerator.numbers_of_column(ids.offset, offsets, text, len(ids), id_seed) if len(ids) else b""
    return numbers


def rows_apart(first_row: int, count: int, left_out: bytes) -> tuple[bytes, bytes]:
    """Return which of `count` rows are kept, and which are left out, as `RowSpans` has them.

    `left_out` has how far these are from the first row, ascending, as 32-bit numbers.
    """
    apart: tuple[bytes, bytes] = extension().rows_apart(first_row, count, left_out)
    return apart


def key_texts(key: bytes, depth: int) -> _scan.KeyTexts | None:
    """Return what finds the texts of a key, written as in JSON, in lines of `depth` objects; None in pure Python."""
    texts: _scan.KeyTexts | None = accelerator.KeyTexts(key, depth) if accelerator is not None else None
    return texts


def lines_in_order(lines: bytes, order: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
    """Return lines, which newlines join, in another order: each is named once, by its number.

    Returns:
        The lines, each with a newline behind it, and where each of them begins, with the end of all behind that.
    """
    import numpy as np  # here: it takes long to import

    if accelerator is not None:
        text, begins = accelerator.lines_in_order(lines, np.ascontiguousarray(order, np.int64))
        return text, np.frombuffer(begins, np.int64)
    every = lines.split(b"\n")
    ordered = [every[number] for number in order.tolist()]
    return b"\n".join([*ordered, b""]), np.cumsum([0, *(len(line) + 1 for line in ordered)])
