"""Hundreds of histories of the real pipeline in a made-up world, and proof that the model would see what goes wrong.

More of them: `python -m benchmarks simulate --histories N`; one again: `python -m benchmarks simulate --seed N`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from engine.api import attribution, verdict as reply
from engine.api.attribution import Attribution
from engine.api.verdict import Settled, Verdict
from engine.api.wire import NoReply, Reply
from engine.pipeline import admission as order, aggregator, delivery, pipeline
from engine.reading import chunker, recent_ids
from engine.values.records import Chunk, Failure
from tests.simulation import history
from tests.simulation.history import simulate
from tests.simulation.virtual_time import VirtualLoop, run

HISTORIES = 600
HISTORIES_TO_CATCH_A_BUG = 1_000

Patch = pytest.MonkeyPatch


def test_nothing_is_lost_and_nothing_claimed() -> None:
    failed = [str(told) for told in map(simulate, range(HISTORIES)) if told.violations]
    assert not failed, "\n".join(failed)


def test_the_histories_are_worth_checking() -> None:
    told = [simulate(seed) for seed in range(200)]
    assert sum(each.crashes for each in told) > 50
    assert sum(each.processes > 1 for each in told) > 50
    assert sum(each.counts.updated for each in told) > 1_000
    for state in ("invalid", "superseded", "rejected", "unknown"):
        assert sum(getattr(each.counts, state) for each in told) > 10, state


def test_a_seed_tells_the_same_history_again() -> None:
    for seed in range(100):
        assert simulate(seed) == simulate(seed)


def test_virtual_time_passes_at_once_and_in_order() -> None:
    woken: list[tuple[float, str]] = []
    loop = VirtualLoop()

    async def sleep(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((round(loop.time()), name))

    async def all_of_them() -> None:
        await asyncio.gather(sleep("late", 7200), sleep("soon", 1), sleep("later", 3600))

    run(all_of_them(), loop)
    assert woken == [(1, "soon"), (3600, "later"), (7200, "late")]


# Bugs that somebody might make, each planted in the real code.


def _gate_opens_before_the_result_is_durable(patch: Patch) -> None:
    async def aggregate(results: Any, *, record: Any, count: Any, gate: Any) -> None:
        while arrived := await results.receive_all():
            for result in arrived:
                gate.release(result.chunk.ids)
            await record(arrived)
            count(arrived)

    patch.setattr(pipeline, "aggregate", aggregate)


def _counted_before_it_is_durable(patch: Patch) -> None:
    async def aggregate(results: Any, *, record: Any, count: Any, gate: Any) -> None:
        while arrived := await results.receive_all():
            count(arrived)
            await record(arrived)
            for result in arrived:
                gate.release(result.chunk.ids)

    patch.setattr(pipeline, "aggregate", aggregate)


def _no_order_gate(patch: Patch) -> None:
    async def admit(self: order.OrderGate, chunk: Chunk) -> None:
        self._unfinished[chunk.seq] = order._Unfinished(chunk)

    patch.setattr(order.OrderGate, "admit", admit)


def _ids_that_are_not_compared(patch: Patch) -> None:
    patch.setattr(recent_ids.RecentIds, "take", lambda _self, _seq, ids: 0 if len(set(ids)) == len(ids) else None)


def _ids_compared_with_too_few(patch: Patch) -> None:
    def take(self: recent_ids.RecentIds, seq: int, ids: Sequence[str]) -> int | None:
        found = original(self, seq, ids)
        return None if found is None else max(0, found - 1)

    original = recent_ids.RecentIds.take
    patch.setattr(recent_ids.RecentIds, "take", take)


def _gate_without_a_bound(patch: Patch) -> None:
    async def admit(self: order.OrderGate, chunk: Chunk) -> None:
        self._chunks_max = 1_000
        await original(self, chunk)

    original = order.OrderGate.admit
    patch.setattr(order.OrderGate, "admit", admit)


def _any_200_is_a_success(patch: Patch) -> None:
    def interpret(answer: Reply | NoReply, ids: Sequence[str]) -> Verdict:
        return Settled() if isinstance(answer, Reply) and answer.status == 200 else original(answer, ids)

    original = reply.interpret
    patch.setattr(delivery, "interpret", interpret)


def _a_lost_reply_is_a_success(patch: Patch) -> None:
    def interpret(answer: Reply | NoReply, ids: Sequence[str]) -> Verdict:
        return Settled() if isinstance(answer, NoReply) else original(answer, ids)

    original = reply.interpret
    patch.setattr(delivery, "interpret", interpret)


def _failed_is_believed_unchecked(patch: Patch) -> None:
    patch.setattr(reply, "_proven_failures", lambda results, sent: results["failed"])


def _whoever_is_not_named_is_fine(patch: Patch) -> None:
    def read(results: Mapping[str, Any], document: Any, status: int, ids: Sequence[str]) -> Verdict:
        named = attribution.attribute(results.get("errors") or [], ids)
        return Settled(reply._failures(named, status))

    patch.setattr(reply, "_read_results", read)


def _the_first_is_blamed(patch: Patch) -> None:
    def attribute(errors: Iterable[Any], ids: Sequence[str]) -> Attribution:
        found = original(errors, ids)
        return found if found.reasons else Attribution({0: "somebody must have done it"})

    original = attribution.attribute
    patch.setattr(reply, "attribute", attribute)


def _blame_by_position_in_the_part(patch: Patch) -> None:
    def note(self: delivery.Delivery, part: Sequence[int], failures: Sequence[Any]) -> None:
        self._failures += failures

    patch.setattr(delivery.Delivery, "_note", note)


def _halves_with_a_gap(patch: Patch) -> None:
    def halves(part: Sequence[int]) -> list[Sequence[int]]:
        middle = len(part) // 2
        return [part[:middle], part[middle + 1 :]] if len(part) > 2 else original(part)

    original = delivery._halves
    patch.setattr(delivery, "_halves", halves)


def _a_refused_chunk_is_rejected_as_it_is(patch: Patch) -> None:
    def isolate(self: delivery.Delivery, left: Sequence[int], sent: int, alone: Any) -> list[Sequence[int]]:
        self._failures += [Failure(index, alone.outcome, alone.reason, None) for index in left]
        return []

    patch.setattr(delivery.Delivery, "_isolate", isolate)


def _older_values_win(patch: Patch) -> None:
    original = chunker.merge_lines
    patch.setattr(chunker, "merge_lines", lambda older, newer: original(newer, older))


def _sent_counts_as_done(patch: Patch) -> None:
    def chunk_done(chunks: Iterable[Any], done: dict[int, bytes], digest: Any, on_skip: Any) -> Iterable[Any]:
        skipped_after = max(done, default=-1)  # "whatever came before the last durable one must be done, too"
        return (chunk for chunk in chunks if chunk.seq > skipped_after)

    patch.setattr(history, "skip_done", chunk_done)


def _everything_is_sent_again(patch: Patch) -> None:
    patch.setattr(history, "skip_done", lambda chunks, done, digest, on_skip: chunks)


def _a_cancelled_write_does_not_count(patch: Patch) -> None:
    async def shield(awaitable: Any) -> Any:
        return await awaitable

    patch.setattr(aggregator, "asyncio", type("asyncio", (), {"shield": staticmethod(shield)}))


def _attempts_that_fail_are_not_counted(patch: Patch) -> None:
    original = delivery.Delivery._count

    def count(self: delivery.Delivery, verdict: Verdict, trouble: Any, now: float) -> None:
        original(self, verdict, trouble, now)
        if isinstance(verdict, reply.RefusedWhole):
            self._traffic.requests.failed -= 1

    patch.setattr(delivery.Delivery, "_count", count)


BUGS: list[Callable[[Patch], None]] = [
    _gate_opens_before_the_result_is_durable,
    _counted_before_it_is_durable,
    _no_order_gate,
    _ids_that_are_not_compared,
    _ids_compared_with_too_few,
    _gate_without_a_bound,
    _any_200_is_a_success,
    _a_lost_reply_is_a_success,
    _failed_is_believed_unchecked,
    _whoever_is_not_named_is_fine,
    _the_first_is_blamed,
    _blame_by_position_in_the_part,
    _halves_with_a_gap,
    _a_refused_chunk_is_rejected_as_it_is,
    _older_values_win,
    _sent_counts_as_done,
    _everything_is_sent_again,
    _a_cancelled_write_does_not_count,
    _attempts_that_fail_are_not_counted,
]


@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__.strip("_"))
def test_the_model_catches(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    plant(monkeypatch)
    assert any(simulate(seed).violations for seed in range(HISTORIES_TO_CATCH_A_BUG))
