"""Which entry has this key? Ten thousand questions at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ledger.acceleration import accelerator
from engine.ledger.columns import DROPPED_BITS, Columns

Entries = NDArray[np.int64]
"""Entries by their indexes; -1 where there is none."""


def find(columns: Columns, keys: NDArray[np.uint64]) -> Entries:
    """Return the first entry of each key."""
    if not len(columns):
        return np.full(len(keys), -1)
    if accelerator is None:
        return find_in_arrays(columns, keys)
    found = np.empty(len(keys), np.int64)
    accelerator.find(columns.edges, columns.keys, columns.header.low_bits, np.ascontiguousarray(keys), found)
    return found


def find_in_arrays(columns: Columns, keys: NDArray[np.uint64]) -> Entries:
    """As `find`, without the accelerator; there is an entry at least."""
    low_bits = np.uint64(columns.header.low_bits)
    short = keys >> DROPPED_BITS
    bucket = (short >> low_bits).astype(np.int64)
    low = (short & ((np.uint64(1) << low_bits) - np.uint64(1))).astype(columns.keys.dtype)
    start, stop = columns.edges[bucket].astype(np.int64), columns.edges[bucket + 1].astype(np.int64)
    entry, end, last = start, stop, len(columns) - 1
    for _ in range(columns.header.bucket_max.bit_length()):  # halving, in all buckets at once
        middle = (entry + end) >> 1
        is_before = (entry < end) & (columns.keys[np.minimum(middle, last)] < low)
        entry, end = np.where(is_before, middle + 1, entry), np.where(is_before, end, middle)
    is_there = (entry < stop) & (columns.keys[np.minimum(entry, last)] == low)
    return np.where(is_there, entry, -1)


def find_ids(columns: Columns, keys: NDArray[np.uint64], ids: Sequence[str]) -> Entries:
    """Return the entry of each id, whose key is beside it; unlike `find`, it compares the ids themselves."""
    later = frozenset(columns.header.shared)
    found = find(columns, keys)
    for index, (first, record_id) in enumerate(zip(found.tolist(), ids, strict=True)):
        entry = first
        while entry >= 0 and columns.id(entry) != record_id:
            entry = entry + 1 if entry + 1 in later else -1
        found[index] = entry
    return found


def digests_of_entries(columns: Columns, entries: Entries) -> NDArray[np.uint64]:
    """Return the digests of some entries; 0 where there is no entry, or it is void."""
    if accelerator is None or not len(columns):
        return digests_in_arrays(columns, entries)
    digests = np.empty(len(entries), np.uint64)
    accelerator.take(columns.digests, np.ascontiguousarray(entries), digests)
    return digests


def digests_in_arrays(columns: Columns, entries: Entries) -> NDArray[np.uint64]:
    """As `digests_of_entries`, without the accelerator."""
    digests = np.zeros(len(entries), np.uint64)
    is_entry = entries >= 0
    digests[is_entry] = columns.digests[entries[is_entry]]
    return digests


def came_before(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Return of each number whether it stands before among these."""
    did = np.zeros(len(numbers), np.bool_)
    ordered = np.sort(numbers)
    if (ordered[1:] == ordered[:-1]).any():
        did[:] = True
        did[np.unique(numbers, return_index=True)[1]] = False
    return did


class Seen:
    """Some of the entries of a ledger: a bit for each."""

    def __init__(self, records: int) -> None:
        self._bits = np.zeros((records + 7) // 8, np.uint8)

    def add(self, entries: Entries) -> NDArray[np.bool_]:
        """Add entries, one after another; return of each whether it was there. -1 is none."""
        return self._look(entries, adds=True)

    def has(self, entries: Entries) -> NDArray[np.bool_]:
        """Whether each of these was added; not where there is none."""
        return self._look(entries, adds=False)

    def _look(self, entries: Entries, *, adds: bool) -> NDArray[np.bool_]:
        if accelerator is None:
            return self.look_in_arrays(entries, adds=adds)
        was_there = np.empty(len(entries), np.bool_)
        accelerator.look(self._bits, np.ascontiguousarray(entries), was_there, adds)
        return was_there

    def look_in_arrays(self, entries: Entries, *, adds: bool) -> NDArray[np.bool_]:
        """As `add` or `has`, without the accelerator."""
        was_there = np.zeros(len(entries), np.bool_)
        is_entry = entries >= 0
        at, bits = entries[is_entry] >> 3, _BIT[entries[is_entry] & 7]
        was_there[is_entry] = self._bits[at] & bits != 0
        if adds:
            was_there[is_entry] |= came_before(entries[is_entry])
            np.bitwise_or.at(self._bits, at, bits)
        return was_there

    def __bytes__(self) -> bytes:
        return self._bits.tobytes()


class KeysBefore:
    """Which keys may have come before? Now and then it says so of one that has not; never the other way round.

    It takes 16 MB, however many there are: with a million of them it is wrong once in 100,000 times, with ten million
    once in a hundred.
    """

    _BITS = 27
    _SHIFTS = (0, 27, 37)

    def __init__(self) -> None:
        self._seen: Seen | None = None  # made with the first key: most nights have hardly any

    def add(self, keys: NDArray[np.uint64]) -> None:
        """Add keys."""
        if self._seen is None:
            self._seen = Seen(1 << self._BITS)
        for shift in self._SHIFTS:
            self._seen.add(self._place(keys, shift))

    def may_have(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each of these may have been added."""
        found = np.full(len(keys), self._seen is not None)
        if self._seen is not None:
            for shift in self._SHIFTS:
                found &= self._seen.has(self._place(keys, shift))
        return found

    def _place(self, keys: NDArray[np.uint64], shift: int) -> Entries:
        return ((keys >> np.uint64(shift)) & np.uint64((1 << self._BITS) - 1)).astype(np.int64)


_BIT = (1 << np.arange(8)).astype(np.uint8)


def seen_between(bits: bytes, start: int, stop: int) -> NDArray[np.bool_]:
    """Return whether each of consecutive entries is among those that `Seen` gave as bytes."""
    first = start // 8
    part = np.frombuffer(bits, np.uint8)[first : (stop + 7) // 8]
    return np.unpackbits(part, bitorder="little")[start - 8 * first : stop - 8 * first].astype(np.bool_)
