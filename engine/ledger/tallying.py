"""How many entries there are, and how many are good, with changes that are not merged yet: counted, not merged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.ledger.changes import Acknowledged, Change, Removed, VoidedAll
from engine.ledger.columns import Columns
from engine.ledger.lookup import find
from engine.ledger.partition import ACKNOWLEDGED, REMOVED, VOIDED

Array = NDArray[Any]


class Tally(NamedTuple):
    """How many ids a ledger holds, and how many of them are not void."""

    ids: int
    good: int


def tally(columns: Columns | None, changes: Iterable[Change]) -> Tally:
    """Count what a ledger holds once these changes, in their order, are merged; takes some 60 bytes for a key."""
    keys, kinds, void_until = _in_order(changes)
    ids, good = (len(columns), columns.header.valid) if columns is not None else (0, 0)
    touched, which = np.unique(keys, return_inverse=True)
    last, last_acknowledged, last_removed = (
        _last(which, np.isin(kinds, some), len(touched))
        for some in ((VOIDED, ACKNOWLEDGED, REMOVED), (ACKNOWLEDGED,), (REMOVED,))
    )
    was_there, was_good = np.zeros(len(touched), np.bool_), np.zeros(len(touched), np.bool_)
    if columns is not None:
        entries = find(columns, touched)
        was_there = entries >= 0
        was_good[was_there] = columns.digests[entries[was_there]] != 0
    is_there = np.where(last_acknowledged == last_removed, was_there, last_acknowledged > last_removed)
    is_good = (last == last_acknowledged) & (last >= void_until)
    untouched_good = 0 if void_until else good - int(was_good.sum())
    return Tally(ids + int(is_there.sum()) - int(was_there.sum()), untouched_good + int(is_good.sum()))


def _in_order(changes: Iterable[Change]) -> tuple[Array, Array, int]:
    """Return keys, what happened to each, and the number of the first that happened after all was voided.

    Nothing has the number 0, so that it means that all was never voided.
    """
    keys, kinds, count, void_until = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint8)], 1, 0
    for change in changes:
        if isinstance(change, VoidedAll):
            void_until = count
            continue
        kind = {Acknowledged: ACKNOWLEDGED, Removed: REMOVED}.get(type(change), VOIDED)
        keys.append(np.frombuffer(change.keys, np.uint64))
        kinds.append(np.full(len(keys[-1]), kind, np.uint8))
        count += len(keys[-1])
    return np.concatenate(keys), np.concatenate(kinds), void_until


def _last(which: Array, is_one: Array, count: int) -> Array:
    """Return the number, from 1 on, of the last that `is_one` for each of `count` keys; 0 if there is none."""
    last = np.zeros(count, np.int64)
    numbers = np.flatnonzero(is_one)
    last[which[numbers]] = numbers + 1  # the last one of each key wins
    return last
