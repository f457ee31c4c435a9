"""Hundreds of histories of several nights with delta, and proof that the model would see what goes wrong with a ledger.

More of them: `python -m benchmarks simulate --nights --histories N`; one again: with `--seed N`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.ledger import partition, spooling
from engine.reading import comparison
from engine.run import gone, ledger_of_run
from engine.values import ChunkResult
from tests.simulation import nights
from tests.simulation.nights import simulate_nights

HISTORIES = 100
HISTORIES_TO_CATCH_A_BUG = 600

Patch = pytest.MonkeyPatch

BUGS: list[tuple[Callable[[Patch], None], str, int]] = []


def bug(violation: str, first: int = 0) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Say what a planted bug leads to; it takes a while to find, so begin with the history of seed `first`."""

    def note(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        BUGS.append((plant, violation, first))
        return plant

    return note


def test_nothing_is_left_out_that_the_server_does_not_hold() -> None:
    failed = [str(told) for told in map(simulate_nights, range(HISTORIES)) if told.violations]
    assert not failed, "\n".join(failed)


def test_the_nights_are_worth_checking() -> None:
    told = [simulate_nights(seed) for seed in range(60)]
    assert sum(each.crashes for each in told) > 20
    assert sum(each.unchanged for each in told) > 200
    assert sum(each.updated for each in told) > 500
    assert sum(each.told for each in told) > 20


def test_a_seed_tells_the_same_nights_again() -> None:
    for seed in range(10):
        assert simulate_nights(seed) == simulate_nights(seed)


@bug("does not hold the latest")
def _nothing_is_void_before_other_values_leave(patch: Patch) -> None:
    async def before(self: Any, chunk: Any) -> None:
        pass

    patch.setattr(ledger_of_run.LedgerOfRun, "before", before)


@bug("does not hold the latest")
def _delta_off_voids_nothing(patch: Patch) -> None:
    async def before_first(self: Any) -> None:
        pass

    patch.setattr(ledger_of_run.VoidingLedger, "before_first", before_first)


@bug("does not hold the latest", first=230)
def _acknowledgements_win_over_later_voids(patch: Patch) -> None:
    original = partition._applied

    def applied(entries: Any, changes: Any, *more: Any) -> Any:
        order = np.lexsort((changes.kinds, changes.keys))  # of each key, what was voided comes first
        return original(entries, changes.at(order), *more)

    patch.setattr(partition, "_applied", applied)


@bug("does not hold the latest")
def _what_equals_its_entry_is_left_out_whatever_came_before(patch: Patch) -> None:
    def wanted(self: Any, looked: Any, start: int, stop: int) -> Any:
        return np.flatnonzero(looked.is_wanted[start:stop]) + start

    patch.setattr(comparison.Comparison, "wanted", wanted)


@bug("does not hold the latest")
def _what_was_refused_counts_as_acknowledged(patch: Patch) -> None:
    original = ledger_of_run._changes_of
    patch.setattr(ledger_of_run, "_changes_of", lambda result: original(ChunkResult(result.chunk)))


@bug("does not hold the latest")
def _an_entry_enters_when_its_record_is_sent(patch: Patch) -> None:
    original = ledger_of_run.LedgerOfRun.before

    async def before(self: Any, chunk: Any) -> None:
        await original(self, chunk)
        for changes in self.changes([ChunkResult(chunk)]):
            await self._thread.call(self._thread.value.change_ledger, changes, self._run.number)

    patch.setattr(ledger_of_run.LedgerOfRun, "before", before)


@bug("does not hold the latest", first=700)
def _who_is_gone_keeps_a_digest(patch: Patch) -> None:
    original = partition.marked

    def marked(entries: Any, seen: Any, marking: Any, moved: Any = ()) -> Any:
        digests = entries.digests.copy()
        return replace(original(entries, seen, marking, moved), digests=digests)

    patch.setattr("engine.ledger.merging.marked", marked)


@bug("somebody who is there is told to be closed")
def _rows_left_out_are_taken_as_gone(patch: Patch) -> None:
    patch.setattr(comparison.Comparison, "_note_others", lambda self, block: None)


@bug("does not hold the latest")
def _nobody_waits_for_the_copies_of_others(patch: Patch) -> None:
    patch.setattr(nights, "wait_for_others", lambda world: None)


@bug("does not hold the latest")
def _numbers_and_their_text_are_the_same(patch: Patch) -> None:
    patch.setattr(comparison, "keys_and_digests", _without_quotes(comparison.keys_and_digests))


def _without_quotes(original: Any) -> Any:
    def made(lines: bytes, count: int, key: int) -> Any:
        return original(lines.replace(b'"1"', b"1").replace(b'"null"', b"null").replace(b'""', b"null"), count, key)

    return made


@bug("does not hold the latest", first=340)
def _new_ids_are_never_void(patch: Patch) -> None:
    patch.setattr("engine.ledger.lookup.KeysBefore.may_have", lambda self, keys: np.zeros(len(keys), np.bool_))


@bug("does not hold the latest")
def _voiding_all_leaves_what_was_acknowledged_before(patch: Patch) -> None:
    original = spooling.Spool.add

    def add(self: Any, run: int, change: Any) -> None:
        original(self, run, change)
        self.all_void = False
        for bucket in self._buckets:
            bucket._void_until = 0

    patch.setattr(spooling.Spool, "add", add)


@bug("the accounts of gone ids do not balance")
def _who_was_told_before_the_crash_is_forgotten(patch: Patch) -> None:
    original = gone.GoneIds.record

    async def record(self: Any, results: Any) -> None:
        await original(self, results)
        self.counts = gone.Gone(found=self.counts.found)

    patch.setattr(gone.GoneIds, "record", record)


@pytest.mark.nights
@pytest.mark.parametrize(("plant", "violation", "first"), BUGS, ids=[plant.__name__.strip("_") for plant, *_ in BUGS])
def test_the_model_catches(
    plant: Callable[[Patch], None], violation: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    for seed in range(first, first + HISTORIES_TO_CATCH_A_BUG):
        told = simulate_nights(seed)
        if told.violations:
            assert any(violation in each for each in told.violations), str(told)
            return
    pytest.fail(f"{HISTORIES_TO_CATCH_A_BUG} histories, and nobody noticed")
