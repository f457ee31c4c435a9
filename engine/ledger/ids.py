"""The ids themselves, as the ledger keeps them: in words of eight bytes, so that whole arrays of them can be compared.

An id is its length in bytes (two bytes, little-endian), its UTF-8 text, and zeros up to the next word. Where an id
begins is told in words. Nothing longer than `ID_BYTES_MAX` is kept: such an id is sent every night.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

ID_BYTES_MAX = 0xFFFF
WORD_BYTES = 8
_LENGTH_BYTES = 2


def pack_ids(ids: Sequence[str]) -> tuple[bytes, NDArray[np.uint32]]:
    """Return ids as words, and in which of them each begins."""
    parts = [_packed(each.encode()) for each in ids]
    lengths = np.fromiter(map(len, parts), np.uint32, len(parts)) // WORD_BYTES
    return b"".join(parts), (np.cumsum(lengths, dtype=np.uint32) - lengths).astype(np.uint32)


def _packed(text: bytes) -> bytes:
    size = _LENGTH_BYTES + len(text)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text.ljust(size + -size % WORD_BYTES - _LENGTH_BYTES, b"\0")


def id_at(words: Words, at: int) -> str:
    """Return the id that begins there."""
    length = int(words[at]) & ID_BYTES_MAX
    count = -(-(_LENGTH_BYTES + length) // WORD_BYTES)
    return words[at : at + count].tobytes()[_LENGTH_BYTES : _LENGTH_BYTES + length].decode()


def same_ids(words: Words, at: Places, others: Words, others_at: Places) -> NDArray[np.bool_]:
    """Whether each of some ids is the one beside it."""
    first = words[at]
    same: NDArray[np.bool_] = first == others[others_at]
    counts = _counts(first)
    for number in range(1, int(counts.max(initial=0))):
        open_ = np.flatnonzero(same & (counts > number))
        same[open_] = words[at[open_] + number] == others[others_at[open_] + number]
    return same


def gather_ids(words: Words, at: Places) -> tuple[Words, Places]:
    """Return the words of some ids alone, one after another, and in which of them each begins."""
    counts = _counts(words[at])
    starts = np.cumsum(counts) - counts
    return words[np.repeat(at - starts, counts) + np.arange(int(counts.sum()))], starts


def _counts(first: Words) -> Places:
    """Return how many words ids take that begin with these."""
    lengths = (first & np.uint64(ID_BYTES_MAX)).astype(np.int64)
    return (lengths + (_LENGTH_BYTES + WORD_BYTES - 1)) // WORD_BYTES
