"""Erasing ids: the file of ids is written anew with nothing in it but those that entries still have."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from engine.ledger.columns import Columns
from engine.ledger.ids import WORD_BYTES, words_of
from engine.ledger.lookup import Entries

AT_ONCE = 1 << 20
"""So many entries, or words of ids, are looked at together."""


def write_ids_without(columns: Columns, erased: Entries, path: Path, length: int) -> None:
    """Write the ids of all entries but the `erased` ones to a new file of `length` bytes, each at its place.

    What else the old file had there is zeros in the new one. It takes a byte of memory for each word of the file.

    Raises:
        OSError: it can't be written.
    """
    words = columns.words[: length // WORD_BYTES]
    is_kept = np.zeros(len(words), np.bool_)
    is_erased = np.zeros(len(columns), np.bool_)
    is_erased[erased] = True
    for start in range(0, len(columns), AT_ONCE):
        places = columns.places[start : start + AT_ONCE][~is_erased[start : start + AT_ONCE]].astype(np.int64)
        is_kept[words_of(words, places)] = True
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        for start in range(0, len(words), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            file.write(np.where(is_kept[some], words[some], np.uint64(0)).tobytes())
