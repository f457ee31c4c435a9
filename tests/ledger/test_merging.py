"""The ledger, merged again and again, holds what a dict would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine.ledger import Columns, Completed, Merged, Seen, VoidedAll, find, merge, open_columns, verify
from engine.ledger.changes import Change, Voided, acknowledged, removed


@dataclass
class Entry:
    digest: int = 0
    run: int = 0
    held_by: int = 0
    gone_since: int = 0
    gone_from: int = 0


IDS = [f"L{number}" for number in range(30)] + ["ü" * 9, "x" * 40, "x" * 41]


def key_of(record_id: str, different: int) -> int:
    """A key, of which there are so many different ones."""
    number = IDS.index(record_id) % different
    return (number * 0x9E3779B97F4A7C15 % (1 << 64)) | 1


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("acknowledge"),
            st.lists(st.sampled_from(IDS), unique=True, max_size=8),
            st.integers(1, (1 << 64) - 1),
        ),
        st.tuples(st.just("void"), st.lists(st.sampled_from(IDS), max_size=8)),
        st.tuples(st.just("remove"), st.lists(st.sampled_from(IDS), unique=True, max_size=4)),
        st.tuples(st.just("void all")),
        st.tuples(st.just("merge")),
        st.tuples(st.just("complete"), st.lists(st.sampled_from(IDS), unique=True), st.sampled_from([1, 2])),
    ),
    max_size=14,
)


class Ledger:
    """The real one, and beside it a dict."""

    def __init__(self, where: Path, different: int) -> None:
        self.stem, self.ids = where / "ledger", where / "ledger.ids"
        self.different = different
        self.model: dict[str, Entry] = {}
        self.changes: list[tuple[int, Change]] = []
        self.merged: Merged | None = None
        self.run = 1

    def keys(self, ids: list[str]) -> np.ndarray:
        return np.array([key_of(each, self.different) for each in ids], np.uint64)

    def columns(self) -> Columns | None:
        return open_columns(self.stem, self.merged.generation, self.ids) if self.merged else None

    def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("acknowledge", ids, digest):
                change = acknowledged(self.keys(ids).tobytes(), np.full(len(ids), digest, np.uint64).tobytes(), ids)
                for each in ids:
                    entry = self.model.setdefault(each, Entry())
                    entry.digest, entry.run = digest, self.run
                if change is not None:
                    self.changes.append((self.run, change))
            case ("void", ids):
                self.changes.append((self.run, Voided(self.keys(ids).tobytes())))
                keys = set(self.keys(ids).tolist())
                for each, entry in self.model.items():
                    if key_of(each, self.different) in keys:
                        entry.digest = 0
            case ("remove", ids):
                self.changes.append((self.run, removed(self.keys(ids).tobytes(), ids)))
                for each in ids:
                    self.model.pop(each, None)
            case ("void all",):
                self.changes.append((self.run, VoidedAll()))
                for entry in self.model.values():
                    entry.digest = 0
            case ("merge",):
                self.merge(None)
            case ("complete", ids, feed):
                self.merge(None)  # so that the model needs to know nothing of what is born
                self.complete(ids, feed)
        self.run += 1

    def complete(self, ids: list[str], feed: int) -> None:
        columns = self.columns()
        seen = Seen(len(columns) if columns else 0)
        if columns:
            every = np.flatnonzero([columns.id(index) in ids for index in range(len(columns))])
            seen.add(every)
        for each, entry in self.model.items():
            if each in ids:
                entry.held_by |= feed
                entry.gone_since = entry.gone_from = 0
            elif entry.held_by & feed:
                entry.held_by &= ~feed
                entry.digest = 0
                if not entry.held_by:
                    entry.gone_since, entry.gone_from = self.run, feed
            elif entry.gone_since:
                entry.digest = 0  # it was back in a run that was cut
        self.merge(Completed(feed, self.run, bytes(seen), others=3))

    def merge(self, completed: Completed | None) -> None:
        before = self.merged
        self.merged = merge(
            self.columns(),
            self.changes,
            stem=self.stem,
            ids=self.ids,
            ids_bytes=before.ids_bytes if before else 0,
            completed=completed,
        )
        self.changes = []

    def check(self) -> None:
        self.merge(None)
        assert self.merged
        columns = self.columns()
        assert columns is not None
        held = {}
        for index in range(len(columns)):
            tag = columns.header.tags[columns.tags[index]]
            entry = Entry(int(columns.digests[index]), tag.run, tag.held_by, tag.gone_since, tag.gone_from)
            held[columns.id(index)] = entry
        assert len(columns) == len(held)
        assert held == self.model
        assert columns.header.valid == sum(entry.digest != 0 for entry in held.values())
        ids = list(held)
        found = find(columns, self.keys(ids))
        assert all(
            key_of(columns.id(at), self.different) == key_of(each, self.different)
            for at, each in zip(found, ids, strict=True)
        )
        others = np.array([5 << 20, 77 << 30], np.uint64)
        assert find(columns, others).tolist() == [-1, -1]
        verify(
            self.stem,
            self.merged.generation,
            self.merged.checksum,
            self.ids,
            self.merged.ids_bytes,
            self.merged.ids_checksum,
        )


@pytest.mark.parametrize("different", [len(IDS), 7])
@pytest.mark.parametrize("part_entries", [500_000, 3])
@given(steps=steps)
@settings(max_examples=60)
def test_it_holds_what_a_dict_would(
    steps: list[tuple[Any, ...]], different: int, part_entries: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.ledger.merging.PART_ENTRIES", part_entries)
        patch.setattr("engine.ledger.spooling.AT_ONCE", part_entries)
        ledger = Ledger(tmp_path_factory.mktemp("ledger"), different)
        for step in steps:
            ledger.take(step)
        ledger.check()
