"""Changes on their way into the ledger, sorted roughly by their keys, as files without names: they may be many."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ledger.changes import Acknowledged, Change, Removed, Voided, VoidedAll
from engine.ledger.columns import DROPPED_BITS, KEY_BITS
from engine.ledger.ids import Words, gather_ids
from engine.ledger.partition import ACKNOWLEDGED, REMOVED, VOIDED, Changes

Array = NDArray[Any]

BUCKET_BITS = 5
BUCKETS = 1 << BUCKET_BITS
_SHIFT = np.uint64(KEY_BITS - BUCKET_BITS)

AT_ONCE = 50_000
"""So many changes are put into their buckets at once."""

IN_MEMORY_BYTES = 1 << 18
"""What is smaller needs no file."""

_ROW = np.dtype([("keys", "u8"), ("kinds", "u1"), ("digests", "u8"), ("runs", "u4"), ("places", "u4")])


class Spool:
    """Takes changes in their order; gives those of a range of keys back, in their order."""

    def __init__(self, stack: ExitStack, where: Path) -> None:
        self._buckets = [_Bucket(stack, where) for _ in range(BUCKETS)]
        self._waiting: list[tuple[Array, Words]] = []
        self._rows_waiting = self._words_waiting = 0
        self.count = 0
        self.acknowledged = 0
        """How many of them are acknowledgements."""
        self.all_void = False
        """Whether all entries were voided."""

    def add(self, run: int, change: Change) -> None:
        """Take the next change, of the run with this number."""
        if isinstance(change, VoidedAll):
            self.all_void = True
            self._distribute()
            for each in self._buckets:
                each.void()
            return
        rows, words = _rows_of(run, change)
        rows["places"] += np.uint32(self._words_waiting)
        self._waiting.append((rows, words))
        self._rows_waiting += len(rows)
        self._words_waiting += len(words)
        self.count += len(rows)
        self.acknowledged += len(rows) if isinstance(change, Acknowledged) else 0
        if self._rows_waiting >= AT_ONCE:
            self._distribute()

    def _distribute(self) -> None:
        """Put what is waiting into the buckets."""
        if not self._waiting:
            return
        rows, words = (np.concatenate(each) for each in zip(*self._waiting, strict=True))
        self._waiting, self._rows_waiting, self._words_waiting = [], 0, 0
        bucket = (rows["keys"] >> _SHIFT).astype(np.uint8)
        order = np.argsort(bucket, kind="stable")
        rows = rows[order]
        edges = np.searchsorted(bucket[order], np.arange(BUCKETS + 1))
        named = np.flatnonzero(rows["kinds"] != VOIDED)
        words, starts = gather_ids(words, rows["places"][named].astype(np.int64))
        word_edges = np.append(starts, len(words))[np.searchsorted(named, edges)]
        rows["places"][named] = starts - np.repeat(word_edges[:-1], np.diff(np.searchsorted(named, edges)))
        for number in np.flatnonzero(np.diff(edges)).tolist():
            some = slice(edges[number], edges[number + 1])
            self._buckets[number].add(rows[some], words[word_edges[number] : word_edges[number + 1]])

    def between(self, low: int, high: int) -> tuple[Changes, Words]:
        """Return the changes of keys from `low` on and before `high`, and the words of their ids."""
        self._distribute()
        numbers = range(low >> int(_SHIFT), ((high - 1) >> int(_SHIFT)) + 1)
        read = [self._buckets[number].read() for number in numbers]
        words_before = np.cumsum([0, *(len(words) for _, words in read)])
        for (rows, _), before in zip(read, words_before, strict=False):
            rows["places"] += np.uint32(before)
        rows = np.concatenate([rows for rows, _ in read])
        if len(numbers) == 1:  # perhaps a part of a bucket
            rows = rows[(rows["keys"] >= low) & (rows["keys"] < high)]
        changes = Changes(*(np.ascontiguousarray(rows[name]) for name in Changes.__slots__))
        return changes, np.concatenate([words for _, words in read])


def _rows_of(run: int, change: Acknowledged | Voided | Removed) -> tuple[Array, Words]:
    """Return a change as rows, and the words of its ids, where `places` say."""
    keys = np.frombuffer(change.keys, np.uint64)
    rows = np.zeros(len(keys), _ROW)
    rows["keys"], rows["runs"], rows["kinds"] = keys >> DROPPED_BITS, run, VOIDED
    if isinstance(change, Voided):
        return rows, np.empty(0, np.uint64)
    rows["places"] = np.frombuffer(change.begins, np.uint32)
    if isinstance(change, Acknowledged):
        rows["kinds"], rows["digests"] = ACKNOWLEDGED, np.frombuffer(change.digests, np.uint64)
    else:
        rows["kinds"] = REMOVED
    return rows, np.frombuffer(change.words, np.uint64)


class _Bucket:
    """The changes of some of the keys."""

    def __init__(self, stack: ExitStack, where: Path) -> None:
        self._rows, self._words = (
            stack.enter_context(SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(where)))  # noqa: SIM115 - the stack closes them
            for _ in range(2)
        )
        self._void_until = 0

    def add(self, rows: Array, words: Words) -> None:
        """Take changes; the places of their ids begin with 0."""
        rows["places"] += np.uint32(self._words.tell() // words.itemsize)
        self._rows.write(rows.tobytes())
        self._words.write(words.tobytes())

    def void(self) -> None:
        """What was acknowledged up to now is void."""
        self._void_until = self._rows.tell() // _ROW.itemsize

    def read(self) -> tuple[Array, Words]:
        """Return all that was taken."""
        self._rows.seek(0)
        self._words.seek(0)
        rows = np.frombuffer(bytearray(self._rows.read()), _ROW)
        rows["digests"][: self._void_until] = 0
        return rows, np.frombuffer(self._words.read(), np.uint64)
