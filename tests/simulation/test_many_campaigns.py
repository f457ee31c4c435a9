"""Histories of runs with many campaigns, and proof that the model would see what goes wrong between them.

More of them: `python -m benchmarks simulate --campaigns --histories N`; one again: `… --campaigns --seed N`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from engine.pipeline import admission
from engine.pipeline.accounts import Accounts
from engine.reading.recent_of_campaigns import RecentOfOne
from engine.reading.router import Numbers, Router
from engine.run.campaigns_of_run import CampaignsOfRun
from engine.values import SEQ_BITS, ChunkCounts, ChunkResult
from tests.simulation.history import simulate
from tests.simulation.storage import MemoryJournal

HISTORIES = 400
HISTORIES_TO_CATCH_A_BUG = 1_000

Patch = pytest.MonkeyPatch


def test_nothing_is_lost_and_nothing_claimed_in_any_campaign() -> None:
    told = [simulate(seed, routed=True) for seed in range(HISTORIES)]
    failed = [str(each) for each in told if each.violations]
    assert not failed, "\n".join(failed)
    assert sum(each.crashes for each in told) > HISTORIES / 4
    assert sum(each.processes > 1 for each in told) > HISTORIES / 4
    assert sum(each.given_up > 0 for each in told) > 0
    for state in ("updated", "invalid", "superseded", "rejected", "unknown"):
        assert sum(getattr(each.counts, state) for each in told) > 10, state


def test_a_seed_tells_the_same_history_again() -> None:
    for seed in range(50):
        assert simulate(seed, routed=True) == simulate(seed, routed=True)


def _what_was_not_noted_is_told_no_more(patch: Patch) -> None:
    original = CampaignsOfRun.changed

    def changed(self: CampaignsOfRun) -> Any:
        self.noted()
        return original(self)

    patch.setattr(CampaignsOfRun, "changed", changed)


def _a_record_goes_to_the_campaign_before(patch: Patch) -> None:
    original = Router.numbers

    def numbers(self: Router, texts: Sequence[str]) -> Numbers:
        return np.roll(original(self, texts), 1)

    patch.setattr(Router, "numbers", numbers)


def _chunks_of_a_campaign_are_called_apart(patch: Patch) -> None:
    original = RecentOfOne.take

    def take(self: RecentOfOne, seq: int, lines: bytes, ids: Sequence[str], numbers: bytes | None = None) -> int | None:
        return None if original(self, seq, lines, ids, numbers) is None else 0

    patch.setattr(RecentOfOne, "take", take)


def _results_are_counted_in_no_campaign(patch: Patch) -> None:
    def settle(self: Accounts, results: Sequence[ChunkResult]) -> None:
        self.durable = sum((result.counts for result in results), self.durable)

    patch.setattr(Accounts, "settle", settle)


def _earlier_processes_have_counted_in_one_campaign_only(patch: Patch) -> None:
    original = MemoryJournal.campaign_counts

    def campaign_counts(self: MemoryJournal, run: Any) -> dict[int, ChunkCounts]:
        found = original(self, run)
        return {1: sum(found.values(), ChunkCounts())} if found else {}

    patch.setattr(MemoryJournal, "campaign_counts", campaign_counts)


def _chunks_of_two_campaigns_have_the_same_numbers(patch: Patch) -> None:
    patch.setattr("engine.reading.campaign_chunker.first_seq", lambda number: min(number, 1) << SEQ_BITS)


def _only_as_many_were_in_flight_as_may_be_now(patch: Patch) -> None:
    def knows_all(self: admission.OrderGate, seq: int) -> bool:
        return self._admitted[seq >> SEQ_BITS] >= self._concurrency

    patch.setattr(admission.OrderGate, "_knows_all_sent_before", knows_all)


BUGS = [
    (_what_was_not_noted_is_told_no_more, "in campaigns"),
    (_a_record_goes_to_the_campaign_before, "to the campaign of others"),
    (_chunks_of_a_campaign_are_called_apart, "two versions of an id in flight"),
    (_results_are_counted_in_no_campaign, "the campaigns do not add up"),
    (_earlier_processes_have_counted_in_one_campaign_only, "the campaigns do not add up"),
    (_chunks_of_two_campaigns_have_the_same_numbers, "got another one"),
    (_only_as_many_were_in_flight_as_may_be_now, "the server does not hold the latest"),
]


@pytest.mark.nights
@pytest.mark.parametrize(("plant", "violation"), BUGS, ids=[plant.__name__.strip("_") for plant, _ in BUGS])
def test_the_model_catches(plant: Callable[[Patch], None], violation: str, monkeypatch: Patch) -> None:
    plant(monkeypatch)
    for seed in range(HISTORIES_TO_CATCH_A_BUG):
        if any(violation in each for each in simulate(seed, routed=True).violations):
            return
    pytest.fail(f"nothing was seen of: {violation}")
