"""A part of the ledger while it is merged: some entries in the order of their keys, and what changes about them. Pure.

An entry keeps its id when it becomes void. Two ids may share a key: what is said about such a key is then settled id by
id, in Python; that is as rare as it is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.ledger.columns import Tag
from engine.ledger.ids import Words, gather_ids, id_at, pack_ids, same_ids
from engine.ledger.tags import Marking, TagNumbers

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


C = TypeVar("C", bound=_Columns)


@dataclass(frozen=True, slots=True)
class Entries(_Columns):
    """Entries in the order of their keys."""

    keys: Array
    """As far as they are kept (52 bits)."""
    digests: Array
    places: Array
    """Where the ids are, in words."""
    tags: Array
    """See `TagNumbers`."""

    def with_inserted(self, others: Entries) -> Entries:
        """Return these and other entries, in order."""
        if not len(others):
            return self
        at = np.searchsorted(self.keys, others.keys, side="right") + np.arange(len(others))
        is_own = np.ones(len(self) + len(others), np.bool_)
        is_own[at] = False
        return Entries(*(_woven(getattr(self, f.name), getattr(others, f.name), is_own, at) for f in fields(self)))


def _woven(own: Array, others: Array, is_own: Array, others_at: Array) -> Array:
    both = np.empty(len(is_own), own.dtype)
    both[is_own], both[others_at] = own, others
    return both


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
    entries: Entries, changes: Changes, words: Words, new_words: Words, tags: TagNumbers, born_held_by: int = 0
) -> tuple[Entries, Words]:
    """Return the entries as they are after all changes, and the words of the ids that are new among them.

    `words` are those of the ids of `entries`, `new_words` those of `changes`. Ids that are new are placed where they
    will be once the returned words stand behind `words`. New entries are held by the feeds `born_held_by`.
    """
    if not len(changes):
        return entries, new_words[:0]
    changes = changes.at(np.argsort(changes.keys, kind="stable"))
    shared = _shared_keys(entries, changes, words, new_words)
    entries_apart, changes_apart = entries.at(slice(0)), changes.at(slice(0))
    if len(shared):
        entries, entries_apart = _parted(entries, np.isin(entries.keys, shared))
        changes, changes_apart = _parted(changes, np.isin(changes.keys, shared))
    born_tag = Tag(0, born_held_by)
    result, born = _applied(entries, changes, tags, born_tag)
    born_words, starts = gather_ids(new_words, born.places.astype(np.int64))
    result = result.with_inserted(replace(born, places=(starts + len(words)).astype(np.uint32)))
    if len(shared):
        ledger = _SharedKeys(entries_apart, words, tags, born_tag)
        ledger.change(changes_apart, new_words)
        settled, more_words = ledger.entries(len(words) + len(born_words))
        result, born_words = result.with_inserted(settled), np.concatenate([born_words, more_words])
    return result, born_words


def _parted(columns: C, is_apart: Array) -> tuple[C, C]:
    return columns.at(~is_apart), columns.at(is_apart)


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


def _applied(entries: Entries, changes: Changes, tags: TagNumbers, born_tag: Tag) -> tuple[Entries, Entries]:
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
    result = _updated(entries, at[known], digests[known], np.where(acknowledged >= 0, runs, 0)[known], tags)
    is_over = known & (removed >= 0) & (acknowledged < removed)
    if is_over.any():
        result = result.at(np.delete(np.arange(len(entries)), at[is_over]))
    is_born = ~known & (acknowledged >= 0) & (acknowledged > removed)
    born = Entries(
        keys=keys[is_born],
        digests=digests[is_born].astype(np.uint64),
        places=changes.places[acknowledged[is_born]],
        tags=tags.acknowledged(np.full(int(is_born.sum()), tags.number(born_tag)), runs[is_born]),
    )
    return result, born


def _last_of(changes: Changes, kind: int, group: Array) -> Array:
    """Return the last change of a kind in each group, by its index; -1 if there is none."""
    found = np.full(int(group[-1]) + 1, -1)
    which = np.flatnonzero(changes.kinds == kind)
    found[group[which]] = which  # the last one of each group wins
    return found


def _updated(entries: Entries, at: Array, digests: Array, runs: Array, tags: TagNumbers) -> Entries:
    """Return the entries with other digests, and where one was acknowledged, with the run that did."""
    new_digests, new_tags = entries.digests.copy(), entries.tags.copy()
    new_digests[at] = digests
    acknowledged = at[runs > 0]
    new_tags[acknowledged] = tags.acknowledged(new_tags[acknowledged], runs[runs > 0])
    return replace(entries, digests=new_digests, tags=new_tags)


def _no_entries() -> Entries:
    return Entries(*(np.empty(0, kind) for kind in (np.uint64, np.uint64, np.uint32, np.int64)))


class _SharedKeys:
    """Entries of keys that more than one id has."""

    def __init__(self, entries: Entries, words: Words, tags: TagNumbers, born_tag: Tag) -> None:
        self._tags, self._born_tag = tags, born_tag
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
            row = self._known.setdefault((key, record_id), {"keys": key, "tags": self._tags.number(self._born_tag)})
            [tag] = self._tags.acknowledged(np.array([row["tags"]]), changes.runs[index : index + 1])
            row |= {"digests": int(changes.digests[index]), "tags": int(tag)}

    def entries(self, new_from: int) -> tuple[Entries, Words]:
        """Return the entries, and the words of the ids that are new, which will stand from word `new_from` on."""
        born = [record_id for (_, record_id), row in self._known.items() if "places" not in row]
        packed, begins = pack_ids(born)
        places = iter((begins + np.uint32(new_from)).tolist())
        rows = [row if "places" in row else {**row, "places": next(places)} for row in self._known.values()]
        rows.sort(key=lambda row: row["keys"])
        none = _no_entries()
        columns = [np.array([row[f.name] for row in rows], getattr(none, f.name).dtype) for f in fields(none)]
        return Entries(*columns), np.frombuffer(packed, np.uint64)


def marked(entries: Entries, seen: Array, marking: Marking, moved: Sequence[int] = ()) -> Entries:
    """Return the entries after a complete run that has `seen` some of them; of the others, some have `moved`."""
    missed = np.flatnonzero(~seen)
    tags = marking.if_met[entries.tags]
    tags[missed] = marking.if_missed[entries.tags[missed]]
    tags[list(moved)] = marking.if_moved[entries.tags[list(moved)]]
    digests = entries.digests.copy()
    digests[missed[marking.loses[entries.tags[missed]]]] = 0
    return replace(entries, digests=digests, tags=tags)
