"""Hundreds of histories of the real pipeline in a made-up world, and proof that the model would see what goes wrong.

More of them: `python -m benchmarks simulate --histories N`; one again: `python -m benchmarks simulate --seed N`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any

import pytest

from engine.api import attribution, verdict
from engine.api.attribution import Attribution
from engine.api.verdict import RefusedWhole, Settled, Unproven, Verdict
from engine.api.wire import NoReply, Reply
from engine.pacing.limiter import Authority
from engine.pacing.turnstile import TurnRefused
from engine.pipeline import admission, aggregator, availability, delivery, late_copies, pipeline, sending
from engine.pipeline.accounts import Accounts
from engine.pipeline.channel import Channel
from engine.pipeline.witnesses import Witness
from engine.reading import open_chunk, recent_ids
from engine.state import rejects
from engine.state.journal import Run
from engine.values import Chunk, ChunkResult, Failure, Outcome
from tests.simulation import storage
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


# Bugs that somebody might make, each planted in the real code, and the violation that it must cause.

BUGS: list[tuple[Callable[[Patch], None], str]] = []


def bug(violation: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Say what a planted bug leads to. A crash of the program is none of it: anybody would notice that."""

    def note(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        BUGS.append((plant, violation))
        return plant

    return note


# … in the aggregator and the order gate


@bug("chunks sent again, though at most")
def _gate_opens_before_the_result_is_durable(patch: Patch) -> None:
    async def aggregate(results: Any, *, record: Any, count: Any, judge: Any, release: Any) -> None:
        while arrived := await results.receive_all():
            for result in arrived:
                release(result)
            await record(arrived)
            count(arrived)

    patch.setattr(pipeline, "aggregate", aggregate)


@bug("what was counted is not what is durable")
def _counted_before_it_is_durable(patch: Patch) -> None:
    async def aggregate(results: Any, *, record: Any, count: Any, judge: Any, release: Any) -> None:
        while arrived := await results.receive_all():
            count(arrived)
            await record(arrived)
            for result in arrived:
                release(result)

    patch.setattr(pipeline, "aggregate", aggregate)


@bug("what was counted is not what is durable")
def _a_cancelled_write_does_not_count(patch: Patch) -> None:
    async def shield(awaitable: Any) -> Any:
        return await awaitable

    names = {"shield": staticmethod(shield), "ensure_future": staticmethod(asyncio.ensure_future)}
    patch.setattr(aggregator, "asyncio", type("asyncio", (), names))


@bug("a chunk is missing")
def _only_the_first_of_many_results_is_recorded(patch: Patch) -> None:
    async def aggregate(results: Any, *, record: Any, count: Any, judge: Any, release: Any) -> None:
        while arrived := await results.receive_all():
            await record(arrived[:1])
            count(arrived[:1])
            for result in arrived:
                release(result)

    patch.setattr(pipeline, "aggregate", aggregate)


@bug("what was counted is not what is durable")
def _results_that_arrive_together_count_once(patch: Patch) -> None:
    original = Accounts.settle
    patch.setattr(Accounts, "settle", lambda self, results: original(self, results[:1]))


@bug("two versions of an id in flight")
def _no_order_gate(patch: Patch) -> None:
    async def admit(self: admission.OrderGate, chunk: Chunk) -> None:
        self._unfinished[chunk.seq] = lambda: set(chunk.ids)

    patch.setattr(admission.OrderGate, "admit", admit)


@bug("chunks sent again, though at most")
def _gate_without_a_bound(patch: Patch) -> None:
    async def admit(self: admission.OrderGate, chunk: Chunk) -> None:
        self._concurrency = 1_000
        await original(self, chunk)

    original = admission.OrderGate.admit
    patch.setattr(admission.OrderGate, "admit", admit)


@bug("two versions of an id in flight")
def _the_gate_looks_at_the_chunk_before_only(patch: Patch) -> None:
    def must_wait(self: admission.OrderGate, chunk: Chunk) -> bool:
        latest = list(self._unfinished.items())[-1:]
        return any(seq < chunk.apart_from and not ids_of().isdisjoint(chunk.ids) for seq, ids_of in latest)

    patch.setattr(admission.OrderGate, "_must_wait", must_wait)


@bug("two versions of an id in flight")
def _ids_that_are_not_compared(patch: Patch) -> None:
    for kind in (recent_ids.RecentTexts, recent_ids.RecentNumbers):
        patch.setattr(kind, "take", lambda _self, _seq, _lines, ids: 0 if len(set(ids)) == len(ids) else None)


@bug("two versions of an id in flight")
def _ids_compared_with_too_few(patch: Patch) -> None:
    def with_one_fewer(original: Callable[..., int | None]) -> Callable[..., int | None]:
        def take(*args: object) -> int | None:
            found = original(*args)
            return None if found is None else max(0, found - 1)

        return take

    for kind in (recent_ids.RecentTexts, recent_ids.RecentNumbers):
        patch.setattr(kind, "take", with_one_fewer(kind.take))


@bug("the server does not hold the latest")
def _late_copies_are_not_waited_for(patch: Patch) -> None:
    patch.setattr(admission.OrderGate, "late_until", lambda self, chunk: -inf)


@bug("the server does not hold the latest")
def _the_next_process_knows_of_no_late_copies(patch: Patch) -> None:
    patch.setattr(storage.MemoryJournal, "note_late_copies", lambda self, run, until: None)


@bug("the server does not hold the latest")
def _what_was_in_flight_when_a_process_was_killed_is_forgotten(patch: Patch) -> None:
    patch.setattr(late_copies.LateCopies, "sent_again", lambda self, seq: None)


# … in reading replies


@bug("the server does not hold the latest")
def _any_200_is_a_success(patch: Patch) -> None:
    def interpret(answer: Reply | NoReply, ids: Sequence[str], base: int | None) -> Verdict:
        return Settled() if isinstance(answer, Reply) and answer.status == 200 else original(answer, ids, base)

    original = verdict.interpret
    patch.setattr(sending, "interpret", interpret)


@bug("the server does not hold the latest")
def _a_lost_reply_is_a_success(patch: Patch) -> None:
    def interpret(answer: Reply | NoReply, ids: Sequence[str], base: int | None) -> Verdict:
        return Settled() if isinstance(answer, NoReply) else original(answer, ids, base)

    original = verdict.interpret
    patch.setattr(sending, "interpret", interpret)


@bug("was refused and called updated")
def _failed_is_believed_unchecked(patch: Patch) -> None:
    patch.setattr(verdict, "_proven_failures", lambda results, sent: results["failed"] or 0)


@bug("was refused and called updated")
def _whoever_is_not_named_is_fine(patch: Patch) -> None:
    def read(results: Mapping[str, Any], document: Any, status: int, ids: Sequence[str], base: int | None) -> Verdict:
        named = attribution.attribute(results.get("errors") or [], ids)
        return Settled(verdict._failures(named, status))

    patch.setattr(verdict, "_read_results", read)


@bug("was refused and called updated")
def _the_first_is_blamed(patch: Patch) -> None:
    def attribute(errors: Iterable[Any], ids: Sequence[str], base: int | None = None) -> Attribution:
        found = original(errors, ids, base)
        found.reasons = found.reasons or {0: "somebody must have done it"}
        return found

    original = attribution.attribute
    patch.setattr(verdict, "attribute", attribute)


@bug("was refused and called updated")
def _an_index_counts_from_one(patch: Patch) -> None:
    patch.setattr(attribution, "_proven_bases", lambda *_: {1})


# … in delivery and retries


@bug("was refused and called updated")
def _blame_by_position_in_the_part(patch: Patch) -> None:
    def note(self: delivery.Delivery, part: Sequence[int], failures: Sequence[Any]) -> None:
        self._failures += failures

    patch.setattr(delivery.Delivery, "_note", note)


@bug("the server does not hold the latest")
def _halves_with_a_gap(patch: Patch) -> None:
    def halves(part: Sequence[int]) -> list[Sequence[int]]:
        middle = len(part) // 2
        return [part[:middle], part[middle + 1 :]] if len(part) > 2 else original(part)

    original = delivery.halves
    patch.setattr(delivery, "halves", halves)


@bug("are poison")
def _a_refused_chunk_is_rejected_as_it_is(patch: Patch) -> None:
    def isolate(self: delivery.Delivery, left: Sequence[int], sent: int, alone: Any) -> list[Sequence[int]]:
        self._failures += [Failure(index, alone.outcome, alone.reason, None) for index in left]
        return []

    patch.setattr(delivery.Delivery, "_isolate", isolate)


@bug("are poison")
def _the_whole_part_is_sent_again_for_the_open_ones(patch: Patch) -> None:
    def take(self: delivery.Delivery, part: Sequence[int], proof: Any) -> list[Sequence[int]]:
        found = original(self, part, proof)
        return [part] if isinstance(proof, Unproven) and found and len(found[0]) < len(part) else found

    original = delivery.Delivery._take
    patch.setattr(delivery.Delivery, "_take", take)


@bug("the server does not hold the latest")
def _open_records_are_taken_as_updated(patch: Patch) -> None:
    def take(self: delivery.Delivery, part: Sequence[int], proof: Any) -> list[Sequence[int]]:
        if isinstance(proof, Unproven):
            self._note(part, proof.failures)
            return []
        return original(self, part, proof)

    original = delivery.Delivery._take
    patch.setattr(delivery.Delivery, "_take", take)


@bug("records unknown for no reason")
def _a_record_alone_is_never_rejected(patch: Patch) -> None:
    def take(self: delivery.Delivery, part: Sequence[int], proof: Any) -> list[Sequence[int]]:
        if isinstance(proof, RefusedWhole):
            return self._isolate(part, len(part), Failure(0, Outcome.UNKNOWN, proof.reason, proof.http_status))
        return original(self, part, proof)

    original = delivery.Delivery._take
    patch.setattr(delivery.Delivery, "_take", take)


@bug("the server does not hold the latest")
def _a_stopped_worker_hands_on_what_it_has(patch: Patch) -> None:
    async def upload(chunks: Any, results: Any, *, settle: Any, isolation: Any, borrow: Any, **_: Any) -> None:
        async for chunk in chunks:
            work = delivery.Delivery(chunk, settle, isolation, borrow)
            with suppress(TurnRefused):
                await work.run()
            await results.send(ChunkResult(chunk, work._failures))

    patch.setattr(pipeline, "upload", upload)


@bug("records unknown for no reason")
def _a_record_is_judged_without_a_witness(patch: Patch) -> None:
    async def passes(self: delivery.Delivery, witness: Witness, successes_before: int) -> bool:
        return True

    patch.setattr(delivery.Delivery, "_passes", passes)
    patch.setattr(delivery.Delivery, "_find_witness", lambda self: Witness("", b""))


@bug("requests counted,")
def _a_retry_is_not_counted(patch: Patch) -> None:
    async def wait(self: Any, delay_s: float, stop: Any) -> None:
        await original(self, delay_s, stop)
        self.uncounted = True

    original = availability.Availability.wait_to_retry
    patch.setattr(availability.Availability, "wait_to_retry", wait)
    send = sending.Observed.send

    async def send_again(self: sending.Observed, request: sending.Request) -> sending.Answer:
        answer = await send(self, request)
        if isinstance(answer.verdict, verdict.TryAgain):
            self.counts.sent -= 1
            self.counts.failed -= answer.trouble is not verdict.Trouble.THROTTLED
            self.counts.throttled -= answer.trouble is verdict.Trouble.THROTTLED
        return answer

    patch.setattr(sending.Observed, "send", send_again)


@bug("the requests do not add up")
def _attempts_that_fail_are_not_counted(patch: Patch) -> None:
    original = sending._count

    def count(found: sending.Attempt, counts: sending.RequestCounts) -> None:
        original(found, counts)
        if isinstance(found.answer.verdict, RefusedWhole):
            counts.failed -= 1

    patch.setattr(sending, "_count", count)


@bug("the requests do not add up")
def _a_cancelled_attempt_is_not_counted(patch: Patch) -> None:
    original = sending.Observed.send

    async def send(self: sending.Observed, request: sending.Request) -> sending.Answer:
        try:
            return await original(self, request)
        except BaseException:
            self.counts.failed -= 1
            raise

    patch.setattr(sending.Observed, "send", send)


@bug("a request while the server had asked for silence")
def _silence_is_for_others(patch: Patch) -> None:
    patch.setattr(Authority, "_be_quiet", lambda self, now, seconds: [])


# … in the chunker, the producer and what is skipped


@bug("the chunks are not what the source holds")
def _older_values_win(patch: Patch) -> None:
    original = open_chunk.merge_lines
    patch.setattr(open_chunk, "merge_lines", lambda older, newer: original(newer, older))


@bug("a chunk is missing")
def _sent_counts_as_done(patch: Patch) -> None:
    def skip_done(chunks: Iterable[Any], done: Mapping[int, bytes], on_skip: Any) -> Iterable[Any]:
        skipped_after = max(done, default=-1)  # "whatever came before the last durable one must be done, too"
        return (chunk for chunk in chunks if chunk.seq > skipped_after)

    patch.setattr(pipeline, "skip_done", skip_done)


@bug("a chunk with a durable result was sent again")
def _everything_is_sent_again(patch: Patch) -> None:
    patch.setattr(pipeline, "skip_done", lambda chunks, done, on_skip: chunks)


@bug("pending")
def _what_is_skipped_is_pending(patch: Patch) -> None:
    patch.setattr(Accounts, "skip", lambda self, chunk: None)


@bug("a chunk is missing")
def _chunks_that_wait_are_thrown_away_at_the_end(patch: Patch) -> None:
    original = Channel.close

    async def close(self: Channel[Any], *, discard: bool = False) -> None:
        await original(self, discard=True)

    patch.setattr(Channel, "close", close)


# … in the journal


@bug("the reject file is not what was not accepted")
def _rejects_beyond_what_was_committed_stay(patch: Patch) -> None:
    def append(self: storage.MemoryJournal, run: Run, results: Sequence[ChunkResult]) -> int:
        file = self._disk.runs[run.id].rejects
        file += b"".join(line + b"\n" for result in results for line in rejects.reject_lines(result))
        return len(file)

    patch.setattr(storage.MemoryJournal, "_append_rejects", append)
    patch.setattr(storage.MemoryJournal, "resume", lambda self, run: None)


@bug("the reject file is not what was not accepted")
def _rejects_are_written_after_the_results(patch: Patch) -> None:
    original = rejects.reject_lines
    late: list[bytes] = []

    def reject_lines(result: ChunkResult, **_: bool) -> list[bytes]:
        now, late[:] = list(late), list(original(result))
        return now

    patch.setattr(storage, "reject_lines", reject_lines)


@bug("accounted for")
def _superseded_records_are_forgotten(patch: Patch) -> None:
    patch.setattr(Chunk, "read", property(lambda self: len(self.ids) + len(self.refusals)))


@pytest.mark.nights
@pytest.mark.parametrize(("plant", "violation"), BUGS, ids=[plant.__name__.strip("_") for plant, _ in BUGS])
def test_the_model_catches(plant: Callable[[Patch], None], violation: str, monkeypatch: Patch) -> None:
    plant(monkeypatch)
    for seed in range(HISTORIES_TO_CATCH_A_BUG):
        found = simulate(seed).violations
        assert not [each for each in found if each.startswith("a bug:")], "the mutant crashes, so it proves nothing"
        if any(violation in each for each in found):
            return
    pytest.fail(f"nothing was seen of: {violation}")
