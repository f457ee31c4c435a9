"""A part of the ledger while it is merged: some entries in the order of their keys, and what changes about them. Pure.

An entry keeps its id when it becomes void. Two ids may share a key: what is said about such a key is then settled id by
id, in Python; that is as rare as it is slow.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.ledger.ids import Words, gather_ids, id_at, pack_ids, same_ids

Array = NDArray[Any]

VOIDED, ACKNOWLEDGED, REMOVED = 0, 1, 2


class _Columns:
    """Values by columns, all of the same length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.keys)  # type: ignore[attr-defined]

    def at(self, which: Any) -> Self:
        """Return some of the rows."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Entries(_Columns):
    """Entries in the order of their keys."""

    keys: Array
    """As far as they are kept (52 bits)."""
    digests: Array
    places: Array
    """Where the ids are, in words."""
    runs: Array
    held_by: Array
    gone_since: Array
    gone_from: Array

    def with_inserted(self, others: Entries) -> Entries:
        """Return these and other entries, in order."""
        if not len(others):
            return self
        at = np.searchsorted(self.keys, others.keys, side="right")
        return Entries(*(np.insert(getattr(self, f.name), at, getattr(others, f.name)) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Changes(_Columns):
    """What has changed, in the order in which it happened."""

    keys: Array
    kinds: Array
    digests: Array
    runs: Array
    places: Array
    """Where the ids are, in the words of the changes; those that were voided have none."""


def apply(
    entries: Entries, changes: Changes, words: Words, new_words: Words, born_held_by: int = 0
) -> tuple[Entries, Words]:
    """Return the entries as they are after all changes, and the words of the ids that are new among them.

    `words` are those of the ids of `entries`, `new_words` those of `changes`. Ids that are new are placed where they
    will be once the returned words stand behind `words`. New entries are held by the feeds `born_held_by`.
    """
    changes = changes.at(np.argsort(changes.keys, kind="stable"))
    shared = _shared_keys(entries, changes, words, new_words)
    entry_is_apart, change_is_apart = np.isin(entries.keys, shared), np.isin(changes.keys, shared)
    result, born = _applied(entries.at(~entry_is_apart), changes.at(~change_is_apart), born_held_by)
    born_words, starts = gather_ids(new_words, born.places.astype(np.int64))
    result = result.with_inserted(replace(born, places=(starts + len(words)).astype(np.uint32)))
    if len(shared):
        ledger = _SharedKeys(entries.at(entry_is_apart), words)
        ledger.change(changes.at(change_is_apart), new_words)
        settled, more_words = ledger.entries(len(words) + len(born_words), born_held_by)
        result, born_words = result.with_inserted(settled), np.concatenate([born_words, more_words])
    return result, born_words


def _shared_keys(entries: Entries, changes: Changes, words: Words, new_words: Words) -> Array:
    """Return the keys that different ids have."""
    twice = entries.keys[1:][entries.keys[1:] == entries.keys[:-1]]
    named = changes.at(changes.kinds != VOIDED)
    if not len(named):
        return np.asarray(twice)
    places = named.places.astype(np.int64)
    first = np.searchsorted(named.keys, named.keys)  # the first change of the same key
    differ = ~same_ids(new_words, places, new_words, places[first])
    known, at = _matches(entries.keys, named.keys)
    differ[known] |= ~same_ids(new_words, places[known], words, entries.places[at[known]].astype(np.int64))
    shared: Array = np.unique(np.concatenate([twice, named.keys[differ]]))
    return shared


def _matches(keys: Array, wanted: Array) -> tuple[Array, Array]:
    """Return which of the `wanted` keys there are, and where each is or would be."""
    at = np.searchsorted(keys, wanted)
    if not len(keys):
        return np.zeros(len(wanted), np.bool_), at
    return keys[np.minimum(at, len(keys) - 1)] == wanted, at


def _applied(entries: Entries, changes: Changes, born_held_by: int) -> tuple[Entries, Entries]:
    """Return what becomes of the entries, and those that are new; each key is that of one id."""
    if not len(changes):
        return entries, _no_entries()
    is_last = np.append(changes.keys[1:] != changes.keys[:-1], True)
    group = np.cumsum(np.append(0, is_last[:-1]))
    last = np.flatnonzero(is_last)
    acknowledged, removed = _last_of(changes, ACKNOWLEDGED, group), _last_of(changes, REMOVED, group)
    keys, digests = changes.keys[last], np.where(changes.kinds[last] == ACKNOWLEDGED, changes.digests[last], 0)
    runs = changes.runs[acknowledged]  # where there is no acknowledgement, not of interest
    known, at = _matches(entries.keys, keys)
    result = _updated(entries, at[known], digests[known], np.where(acknowledged >= 0, runs, 0)[known])
    is_over = known & (removed >= 0) & (acknowledged < removed)
    result = result.at(np.delete(np.arange(len(entries)), at[is_over]))
    is_born = ~known & (acknowledged >= 0) & (acknowledged > removed)
    zeros = np.zeros(int(is_born.sum()), np.uint32)
    born = Entries(
        keys=keys[is_born],
        digests=digests[is_born].astype(np.uint64),
        places=changes.places[acknowledged[is_born]],
        runs=runs[is_born],
        held_by=zeros + np.uint32(born_held_by),
        gone_since=zeros,
        gone_from=zeros,
    )
    return result, born


def _last_of(changes: Changes, kind: int, group: Array) -> Array:
    """Return the last change of a kind in each group, by its index; -1 if there is none."""
    found = np.full(int(group[-1]) + 1, -1)
    which = np.flatnonzero(changes.kinds == kind)
    found[group[which]] = which  # the last one of each group wins
    return found


def _updated(entries: Entries, at: Array, digests: Array, runs: Array) -> Entries:
    """Return the entries with other digests, and where one was acknowledged, with the run that did."""
    new_digests, new_runs = entries.digests.copy(), entries.runs.copy()
    new_digests[at] = digests
    new_runs[at] = np.where(runs > 0, runs, new_runs[at])
    return replace(entries, digests=new_digests, runs=new_runs)


def _no_entries() -> Entries:
    kinds = (np.uint64, np.uint64, np.uint32, np.uint32, np.uint32, np.uint32, np.uint32)
    return Entries(*(np.empty(0, kind) for kind in kinds))


class _SharedKeys:
    """Entries of keys that more than one id has."""

    def __init__(self, entries: Entries, words: Words) -> None:
        self._known: dict[tuple[int, str], dict[str, int]] = {}
        for index in range(len(entries)):
            row = {f.name: int(getattr(entries, f.name)[index]) for f in fields(entries)}
            self._known[row["keys"], id_at(words, row["places"])] = row

    def change(self, changes: Changes, words: Words) -> None:
        """Apply changes, one after another."""
        for index in range(len(changes)):
            key, kind = int(changes.keys[index]), int(changes.kinds[index])
            if kind == VOIDED:  # whose it was is not known
                for (its_key, _), row in self._known.items():
                    row["digests"] = 0 if its_key == key else row["digests"]
                continue
            record_id = id_at(words, int(changes.places[index]))
            if kind == REMOVED:
                self._known.pop((key, record_id), None)
                continue
            row = self._known.setdefault((key, record_id), {"keys": key})
            row |= {"digests": int(changes.digests[index]), "runs": int(changes.runs[index])}

    def entries(self, new_from: int, born_held_by: int) -> tuple[Entries, Words]:
        """Return the entries, and the words of the ids that are new, which will stand from word `new_from` on."""
        born = [record_id for (_, record_id), row in self._known.items() if "places" not in row]
        packed, begins = pack_ids(born)
        places = iter((begins + np.uint32(new_from)).tolist())
        defaults = {"held_by": born_held_by, "gone_since": 0, "gone_from": 0}
        rows = [row if "places" in row else {**defaults, **row, "places": next(places)} for row in self._known.values()]
        rows.sort(key=lambda row: row["keys"])
        kinds = {name: array.dtype for name, array in zip(Entries.__slots__, _columns_of(_no_entries()), strict=True)}
        columns = [np.array([row[name] for row in rows], kind) for name, kind in kinds.items()]
        return Entries(*columns), np.frombuffer(packed, np.uint64)


def _columns_of(entries: Entries) -> list[Array]:
    return [getattr(entries, f.name) for f in fields(entries)]


def marked(entries: Entries, seen: Array, *, feed: int, others: int, run: int, keep_since: int) -> Entries:
    """Return the entries after a complete run of a feed that has `seen` some of them; there are `others` beside it.

    What the feed held and holds no more is void. It is gone since this run if no other feed holds it. What is back is
    not gone any more, and what has been gone since before run `keep_since` is forgotten to be.
    """
    feeds, without = np.uint32(feed), np.uint32(~feed & 0xFFFFFFFF)
    is_lost = ((entries.held_by & feeds) != 0) & ~seen
    is_newly_gone = is_lost & ((entries.held_by & np.uint32(others & ~feed)) == 0)
    was_gone = entries.gone_since != 0
    is_over = was_gone & (seen | (entries.gone_since < keep_since))
    gone_since = np.where(is_newly_gone, np.uint32(run), np.where(is_over, np.uint32(0), entries.gone_since))
    gone_from = np.where(is_newly_gone, feeds, np.where(is_over, np.uint32(0), entries.gone_from))
    return replace(
        entries,
        digests=np.where(is_lost, np.uint64(0), entries.digests),
        held_by=np.where(seen, entries.held_by | feeds, entries.held_by & without),
        gone_since=gone_since,
        gone_from=gone_from,
    )
