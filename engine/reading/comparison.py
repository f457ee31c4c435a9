"""What of a source is as the ledger knows it? Asked for whole blocks at once, and only of what was read so far.

A record that equals its entry needs no update, unless another record of its id came before it: whatever that was, this
one must land behind it. What is remembered of the pass are some bits for each entry, however long the source is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.ledger import (
    Columns,
    KeysBefore,
    Seen,
    came_before,
    digests_of_entries,
    find,
    keys_and_digests,
    keys_of,
    open_columns,
    pack_ids_of_lines,
)
from engine.reading.comparing import Comparing, Presence
from engine.values import Block, Entries, count_of

Numbers = NDArray[np.uint64]
Indexes = NDArray[np.int64]


class Looked(msgspec.Struct, frozen=True):
    """What is known of the records of a block: arrays, an element a record."""

    keys: Numbers
    digests: Numbers
    entries: Indexes
    is_wanted: NDArray[np.bool_]
    """Whether it has to be sent."""
    is_repeated: NDArray[np.bool_]
    """Whether its id may have been read before without being sent in this pass."""


class KeysOfCampaigns:
    """Keys of ids without an entry: those that were sent, and those that earlier processes have settled.

    Each campaign has keys of its own, so that one memory serves all of them.
    """

    def __init__(self) -> None:
        self.sent, self.seen = KeysBefore(), KeysBefore()


class Comparison:
    """The state of one pass over a source while it is compared."""

    def __init__(self, comparing: Comparing, shared: KeysOfCampaigns | None = None) -> None:
        self._key = comparing.key
        self._columns = _opened(comparing)
        self._is_full = comparing.is_full
        records = len(self._columns) if self._columns is not None else 0
        self._seen, self._passed, self._sent = Seen(records), Seen(records), Seen(records)
        shared = shared or KeysOfCampaigns()
        self._keys_sent, self._keys_seen = shared.sent, shared.seen
        self._due = _due(comparing.due, self._columns) if comparing.due and self._columns is not None else None
        self._later = frozenset(self._columns.header.shared if self._columns is not None else ())
        self._shared = np.array(sorted({each - 1 for each in self._later} | self._later), np.int64)
        self._unidentified = 0

    @property
    def presence(self) -> Presence:
        """Whose records were met so far."""
        return Presence(bytes(self._seen), self._unidentified)

    def missing(self) -> tuple[Indexes, list[str]]:
        """Return the entries that some feed held last time, or that are gone, and that were not met; and their ids."""
        if self._columns is None:
            return np.empty(0, np.int64), []
        every = np.arange(len(self._columns))
        matters = np.array([tag.held_by != 0 or tag.gone_since != 0 for tag in self._columns.header.tags], np.bool_)
        entries = every[matters[self._columns.tags] & ~self._seen.has(every)]
        return entries, [self._columns.id(entry) for entry in entries.tolist()]

    def meet(self, entries: Indexes) -> None:
        """Note that these entries stand in the source."""
        self._seen.add(entries)

    def has_met(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each id was met; now and then it says so of a new one that was not."""
        keys = np.frombuffer(keys_of(ids, self._key), np.uint64)
        met: NDArray[np.bool_] = self._seen.has(self._entries(keys, ids))
        return met | self._keys_sent.may_have(keys) | self._keys_seen.may_have(keys)

    def look(self, block: Block) -> Looked:
        """Compare the records of the next block, all of which are noted to have been read."""
        keys, digests = keys_and_digests(block.lines, len(block.ids), self._key)
        looked = self.look_up(np.frombuffer(keys, np.uint64), np.frombuffer(digests, np.uint64), block.ids)
        self._note_others(block)
        return looked

    def look_up(self, keys: Numbers, digests: Numbers, ids: Sequence[str]) -> Looked:
        """As `look`, of records whose numbers are known; ids are asked for only where two share a key."""
        entries = self._entries(keys, ids)
        is_repeated, is_new = self._seen.add(entries), entries < 0
        if is_new.any():
            new = keys[is_new]
            is_repeated[is_new] = self._keys_seen.may_have(new) | came_before(new)
        return Looked(keys, digests, entries, self._differs(entries, digests), is_repeated)

    def _note_others(self, block: Block) -> None:
        """Take note of the ids of rows that are no records."""
        ids, unidentified = beside_records(block)
        self._unidentified += unidentified
        if ids:
            keys = np.frombuffer(keys_of(ids, self._key), np.uint64)
            self._seen.add(self._entries(keys, ids))

    def skip(self, looked: Looked, start: int, stop: int) -> None:
        """Note that an earlier process of the run has settled some of the records of a block."""
        keys = looked.keys[start:stop]
        self._keys_seen.add(keys[looked.entries[start:stop] < 0])

    def wanted(self, looked: Looked, start: int, stop: int) -> Indexes:
        """Return which records from `start` on and before `stop` have to be sent; these are noted to be."""
        entries, is_wanted = looked.entries[start:stop], looked.is_wanted[start:stop].copy()
        has_passed = self._passed.has(entries)
        looked.is_repeated[start:stop] &= ~has_passed
        is_wanted |= has_passed
        self._passed.add(entries[is_wanted])
        for index in np.flatnonzero(~is_wanted & self._passed.has(entries)):  # its id came before it, just now
            is_wanted[index] = bool(is_wanted[:index][entries[:index] == entries[index]].any())
        return np.flatnonzero(is_wanted) + start

    def equals_entry(self, entries: Indexes, digests: Numbers) -> NDArray[np.bool_]:
        """Whether records may be left out, though others of their ids came before: they were merged into these."""
        return ~self._differs(entries, digests) & ~self._sent.has(entries)

    def send(self, keys: Numbers, digests: Numbers, entries: Indexes, lines: bytes) -> Entries:
        """Return what the ledger is to know of records that are sent now."""
        acknowledged = self._acknowledged(entries)
        other = (acknowledged != 0) & (acknowledged != digests)
        other |= self._sent.add(entries)
        is_new = entries < 0
        other |= is_new & self._keys_sent.may_have(keys)
        self._keys_sent.add(keys[is_new])
        words, begins = pack_ids_of_lines(lines, len(keys))
        return Entries(keys.tobytes(), digests.tobytes(), keys[other].tobytes(), words, begins)

    def digests_of(self, lines: bytes, count: int) -> Numbers:
        """Return the digests of some records."""
        return np.frombuffer(keys_and_digests(lines, count, self._key)[1], np.uint64)

    def _acknowledged(self, entries: Indexes) -> Numbers:
        """Return the digests that were acknowledged; 0 where there is none, or it is void."""
        if self._columns is None:
            return np.zeros(len(entries), np.uint64)
        return digests_of_entries(self._columns, entries)

    def _differs(self, entries: Indexes, digests: Numbers) -> NDArray[np.bool_]:
        if self._columns is None or self._is_full:
            return np.ones(len(entries), np.bool_)
        differs: NDArray[np.bool_] = self._acknowledged(entries) != digests
        if self._due is not None:
            differs |= self._due[self._columns.tags[np.maximum(entries, 0)]]
        return differs

    def _entries(self, keys: Numbers, ids: Sequence[str]) -> Indexes:
        """Return the entry of each id, -1 where there is none."""
        if self._columns is None:
            return np.full(len(keys), -1)
        entries = find(self._columns, keys)
        if len(self._shared):
            for index in np.flatnonzero(np.isin(entries, self._shared)).tolist():
                entries[index] = self._entry_of(int(entries[index]), ids[index])
        return entries

    def _entry_of(self, entry: int, record_id: str) -> int:
        """Return which of the entries of one key is that of an id."""
        while self._columns is not None and self._columns.id(entry) != record_id:
            entry += 1
            if entry not in self._later:
                return -1
        return entry


def _opened(comparing: Comparing) -> Columns | None:
    """Open the ledger; None if it has no entry."""
    if not comparing.generation:
        return None
    columns = open_columns(Path(comparing.stem), comparing.generation, Path(comparing.ids))
    return columns if len(columns) else None


def _due(tags: Sequence[int], columns: Columns) -> NDArray[np.bool_]:
    """Return of each tag whether it is one of these."""
    is_due = np.zeros(len(columns.header.tags), np.bool_)
    is_due[list(tags)] = True
    return is_due


def beside_records(block: Block) -> tuple[list[str], int]:
    """Return the ids of the rows of a block that are no records of it, and how many more of these have none."""
    whose = [refusal.id or refusal.whose for refusal in block.refusals if not refusal.is_no_record]
    ids = [*filter(None, whose), *block.filtered_ids]
    rows = len(whose) + count_of(block.filtered)
    return ids, rows - len(ids)
