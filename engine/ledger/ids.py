"""The ids themselves, as the ledger keeps them: in words of eight bytes, so that whole arrays of them can be compared.

An id is its length in bytes (two bytes, little-endian), its UTF-8 text, and zeros up to the next word. Where an id
begins is told in words. Nothing longer than `ID_BYTES_MAX` is kept: such an id is sent every night.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.ledger.acceleration import accelerator

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

ID_BYTES_MAX = 0xFFFF
WORD_BYTES = 8
_LENGTH_BYTES = 2


def pack_ids(ids: Sequence[str]) -> tuple[bytes, NDArray[np.uint32]]:
    """Return ids as words, and in which of them each begins."""
    text = "".join(ids)
    each = ids if text.isascii() else [record_id.encode() for record_id in ids]
    lengths = np.fromiter(map(len, each), np.int64, len(ids))
    words = -(-(_LENGTH_BYTES + lengths) // WORD_BYTES)
    begins = np.cumsum(words) - words
    packed = np.zeros(int(words.sum()) * WORD_BYTES, np.uint8)
    packed[begins * WORD_BYTES], packed[begins * WORD_BYTES + 1] = lengths & 0xFF, lengths >> 8
    text_begins = np.cumsum(lengths) - lengths
    at = np.repeat(begins * WORD_BYTES + _LENGTH_BYTES - text_begins, lengths)
    packed[at + np.arange(len(at))] = np.frombuffer(text.encode(), np.uint8)
    return packed.tobytes(), begins.astype(np.uint32)


def pack_ids_of_lines(lines: bytes, count: int) -> tuple[bytes, bytes]:
    """Return the ids of canonical lines, joined by newlines, as words, and in which each begins (32-bit numbers).

    Nothing of either where the accelerator is missing or declines one of the lines: then `pack_ids` is asked.
    """
    packed: tuple[bytes, bytes] | None = accelerator.pack_ids(lines, count) if accelerator is not None else None
    return packed or (b"", b"")


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
    return words[words_of(words, at)], np.cumsum(counts) - counts


def words_of(words: Words, at: Places) -> Places:
    """Return which words the ids take that begin there, one id after another."""
    counts = _counts(words[at])
    starts = np.cumsum(counts) - counts
    return np.repeat(at - starts, counts) + np.arange(int(counts.sum()))


def _counts(first: Words) -> Places:
    """Return how many words ids take that begin with these."""
    lengths = (first & np.uint64(ID_BYTES_MAX)).astype(np.int64)
    return (lengths + (_LENGTH_BYTES + WORD_BYTES - 1)) // WORD_BYTES
