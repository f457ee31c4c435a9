"""The order gate: no two chunks that share an id at once, no more chunks than allowed, source order kept."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from engine.pipeline.admission import LATE_MAX, OrderGate
from engine.pipeline.late_copies import ALL_SEQS, HeldBack, LateCopies
from engine.reading.recent_ids import RecentTexts
from engine.values import SEQ_BITS, Chunk
from engine.values.records import NOT_KNOWN
from tests.fakes import chunk_of
from tests.simulation.virtual_time import VirtualLoop, run

IN_FLIGHT_BEFORE = 4


def chunk(seq: int, *ids: str, apart_from: int = NOT_KNOWN) -> Chunk:
    made = chunk_of(*ids, seq=seq)
    made.apart_from = apart_from
    return made


async def is_admitted(gate: OrderGate, chunk: Chunk) -> bool:
    """Whether this chunk passes at once."""
    task = asyncio.ensure_future(gate.admit(chunk))
    for _ in range(5):
        await asyncio.sleep(0)
    if task.done():
        return True
    task.cancel()
    return False


async def test_a_chunk_waits_for_the_one_it_shares_an_id_with() -> None:
    gate = OrderGate(concurrency=10)
    first, second, third = chunk(0, "a", "b"), chunk(1, "c"), chunk(2, "b", "d")
    await gate.admit(first)
    assert await is_admitted(gate, second)
    assert not await is_admitted(gate, third)
    gate.release(second)
    assert not await is_admitted(gate, third)
    gate.release(first)
    assert await is_admitted(gate, third)


@pytest.mark.parametrize("repeats", [False, True])
async def test_what_was_read_before_and_found_unchanged_waits_for_all_before_it(repeats: bool) -> None:
    gate = OrderGate(concurrency=10)
    first, second = chunk(0, "a", apart_from=0), chunk(1, "b", apart_from=0)
    second.source_digest, second.repeats = b"compared", repeats
    await gate.admit(first)
    assert await is_admitted(gate, second) is not repeats
    gate.release(first)
    if repeats:
        assert await is_admitted(gate, second)


async def test_only_chunks_about_which_nothing_is_known_are_compared() -> None:
    gate = OrderGate(concurrency=10)
    for seq in range(3):
        await gate.admit(chunk(seq, "a" if seq else "b", apart_from=0))
    assert await is_admitted(gate, chunk(3, "b", apart_from=0))
    assert await is_admitted(gate, chunk(4, "c", apart_from=1))
    assert not await is_admitted(gate, chunk(5, "b", apart_from=1))
    assert not await is_admitted(gate, chunk(6, "a", apart_from=2))


async def test_no_more_chunks_than_allowed_even_without_ids() -> None:
    gate = OrderGate(concurrency=2)
    empty = chunk(1)
    await gate.admit(chunk(0, "a"))
    await gate.admit(empty)
    assert not await is_admitted(gate, chunk(2, "b"))
    gate.release(empty)
    assert await is_admitted(gate, chunk(2, "b"))


async def test_who_was_cancelled_holds_nothing() -> None:
    gate = OrderGate(concurrency=1)
    first = chunk(0, "a")
    await gate.admit(first)
    assert not await is_admitted(gate, chunk(1, "b"))
    gate.release(first)
    assert repr(gate) == "<OrderGate 0/1 chunks, 0 late>"
    assert await is_admitted(gate, chunk(1, "b"))


@pytest.mark.parametrize("seed", range(30))
def test_versions_stay_in_order_and_apart(seed: int) -> None:
    rng = Random(seed)
    recent = RecentTexts(rng.randint(1, 4))
    chunks = []
    for seq in range(40):
        ids = rng.sample("abcdef", rng.randint(1, 3))
        apart_from = recent.take(seq, b"", ids)
        assert apart_from is not None
        chunks.append(chunk(seq, *ids, apart_from=apart_from))
    at_work: list[int] = []
    finished: list[int] = []
    peak = 0

    async def finish(gate: OrderGate, number: int) -> None:
        await asyncio.sleep(rng.uniform(0, 1))
        at_work.remove(number)
        finished.append(number)
        gate.release(chunks[number])

    async def work() -> None:
        nonlocal peak
        gate, tasks = OrderGate(concurrency=4), []
        for number, chunk in enumerate(chunks):
            await gate.admit(chunk)
            assert all(set(chunk.ids).isdisjoint(chunks[other].ids) for other in at_work)
            at_work.append(number)
            peak = max(peak, len(at_work))
            tasks.append(asyncio.ensure_future(finish(gate, number)))
        await asyncio.gather(*tasks)

    run(work(), VirtualLoop())
    assert 1 < peak <= 4


# Late copies: a chunk is finished, and an older copy of it may still land.


def test_newer_values_wait_until_no_copy_of_the_older_ones_can_land() -> None:
    async def work() -> None:
        late_copies = LateCopies(60.0)
        gate = OrderGate(10, late_copies)
        first, other, newer = chunk(0, "a", "b"), chunk(1, "c"), chunk(2, "b", "d")
        await gate.admit(first)
        late_copies.note(0, sent_at=0.0)
        await asyncio.sleep(10)
        gate.release(first)
        assert await is_admitted(gate, other)
        waiting = asyncio.ensure_future(gate.admit(newer))
        await asyncio.sleep(1)
        assert late_copies.held_back == HeldBack(ids=1, until=60.0)
        await waiting
        assert asyncio.get_running_loop().time() == pytest.approx(60, abs=0.01)
        assert late_copies.held_back is None

    run(work(), VirtualLoop())


def test_who_shares_no_id_with_a_late_copy_waits_for_none() -> None:
    async def work() -> None:
        late_copies = LateCopies(60.0)
        gate = OrderGate(10, late_copies)
        first = chunk(0, "a")
        await gate.admit(first)
        late_copies.note(0, sent_at=0.0)
        gate.release(first)
        await gate.admit(chunk(1, "b"))
        assert asyncio.get_running_loop().time() < 1

    run(work(), VirtualLoop())


def test_what_an_earlier_process_has_left_is_waited_for_as_well() -> None:
    async def work() -> None:
        gate = OrderGate(10, LateCopies(60.0, before={0: 20.0, 1: 5.0}))
        gate.skip(chunk(0, "a"))
        again = chunk(1, "b")
        await gate.admit(again)
        gate.release(again)
        await gate.admit(chunk(2, "b"))
        assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.01)
        await gate.admit(chunk(3, "a"))
        assert asyncio.get_running_loop().time() == pytest.approx(20, abs=0.01)

    run(work(), VirtualLoop())


def test_the_first_chunks_may_have_been_in_flight_when_a_process_was_killed() -> None:
    async def work() -> None:
        gate = OrderGate(2, LateCopies(60.0, before={ALL_SEQS: 30.0}, in_flight_before=2))
        gate.skip(chunk(0, "a", "z"))
        await gate.admit(chunk(1, "a"))  # what was durable had no copies, but for its last record perhaps
        assert asyncio.get_running_loop().time() < 1
        gate.release(chunk(1, "a"))
        await gate.admit(chunk(2, "a"))
        assert asyncio.get_running_loop().time() == pytest.approx(30, abs=0.01)

    run(work(), VirtualLoop())


def test_later_chunks_were_not() -> None:
    async def work() -> None:
        gate = OrderGate(2, LateCopies(600.0, before={ALL_SEQS: 500.0}, in_flight_before=IN_FLIGHT_BEFORE))
        for seq in range(IN_FLIGHT_BEFORE + 1):
            await gate.admit(chunk(seq, f"loan_{seq}"))
            gate.release(chunk(seq, f"loan_{seq}"))
        await gate.admit(chunk(98, f"loan_{IN_FLIGHT_BEFORE}"))
        assert asyncio.get_running_loop().time() < 1
        await gate.admit(chunk(99, f"loan_{IN_FLIGHT_BEFORE - 1}"))
        assert asyncio.get_running_loop().time() == pytest.approx(500, abs=0.01)

    run(work(), VirtualLoop())


def test_what_was_in_flight_of_a_campaign_is_known_however_many_chunks_of_a_refused_one_come_first() -> None:
    refused, other = 1 << SEQ_BITS, 2 << SEQ_BITS

    async def work() -> None:
        late_copies = LateCopies(600.0, before={ALL_SEQS: 500.0}, in_flight_before=IN_FLIGHT_BEFORE)
        gate = OrderGate(100, late_copies)
        for number in range(IN_FLIGHT_BEFORE):
            await gate.admit(chunk(refused + number, f"loan_{number}"))
            gate.release(chunk(refused + number, f"loan_{number}"))  # its campaign takes nothing more
        assert not gate.borrow("witness", of_seq=other, for_seq=other + 1, of_earlier=True)
        await gate.admit(chunk(other, "a"))
        assert late_copies.until(other) == 500.0

    run(work(), VirtualLoop())


def test_the_ids_of_too_many_late_chunks_are_not_kept_but_waited_for() -> None:
    async def work() -> None:
        late_copies = LateCopies(60.0)
        gate = OrderGate(1, late_copies)
        for seq in range(LATE_MAX):
            late_copies.note(seq, sent_at=float(seq))
            await gate.admit(chunk(seq, f"loan_{seq}"))
            gate.release(chunk(seq, f"loan_{seq}"))
        await gate.admit(chunk(LATE_MAX, "another"))
        assert asyncio.get_running_loop().time() == pytest.approx(60, abs=0.01)

    run(work(), VirtualLoop())


# Borrowed records: a chunk sends one of another chunk again.


async def test_a_borrowed_id_is_held_like_the_chunks_own() -> None:
    gate = OrderGate(10)
    borrower = chunk(5, "a")
    await gate.admit(borrower)
    assert gate.borrow("witness", of_seq=3, for_seq=5)
    assert not await is_admitted(gate, chunk(6, "witness"))
    assert not gate.borrow("witness", of_seq=3, for_seq=4)  # one at a time
    gate.release(borrower)
    assert await is_admitted(gate, chunk(6, "witness"))


async def test_an_id_of_which_a_newer_version_is_under_way_is_not_borrowed() -> None:
    gate = OrderGate(10)
    await gate.admit(chunk(5, "a"))
    await gate.admit(chunk(6, "witness"))
    assert not gate.borrow("witness", of_seq=3, for_seq=5)
    assert await is_admitted(gate, chunk(7, "b"))


@pytest.mark.parametrize("ended", [True, False])
async def test_a_record_of_an_earlier_process_is_borrowed_once_all_are_known_that_it_may_have_sent(ended: bool) -> None:
    gate = OrderGate(1_000, LateCopies(60.0, in_flight_before=IN_FLIGHT_BEFORE))
    for seq in range(1, IN_FLIGHT_BEFORE):
        await gate.admit(chunk(seq, f"loan_{seq}"))
    assert not gate.borrow("witness", of_seq=0, for_seq=1, of_earlier=True)
    assert gate.borrow("other", of_seq=0, for_seq=1)
    if ended:
        gate.end()
    else:
        await gate.admit(chunk(IN_FLIGHT_BEFORE, "newer"))
        assert not gate.borrow("newer", of_seq=0, for_seq=1, of_earlier=True)
    assert gate.borrow("witness", of_seq=0, for_seq=1, of_earlier=True)


def test_a_late_copy_of_a_borrowed_record_is_waited_for() -> None:
    async def work() -> None:
        late_copies = LateCopies(60.0)
        gate = OrderGate(10, late_copies)
        borrower = chunk(5, "a")
        await gate.admit(borrower)
        assert gate.borrow("witness", of_seq=3, for_seq=5)
        late_copies.note(5, sent_at=0.0)
        gate.release(borrower)
        await gate.admit(chunk(6, "witness"))
        assert asyncio.get_running_loop().time() == pytest.approx(60, abs=0.01)

    run(work(), VirtualLoop())
