"""The order gate: no two chunks that share an id at once, no more chunks than allowed, source order kept."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from engine.pipeline.admission import OrderGate
from engine.reading.recent_ids import RecentIds
from engine.values.records import NOT_KNOWN, Chunk
from tests.fakes import chunk_of
from tests.simulation.virtual_time import VirtualLoop, run


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
    assert repr(gate) == "<OrderGate 0/1 chunks>"
    assert await is_admitted(gate, chunk(1, "b"))


@pytest.mark.parametrize("seed", range(30))
def test_versions_stay_in_order_and_apart(seed: int) -> None:
    rng = Random(seed)
    recent = RecentIds(rng.randint(1, 4))
    chunks = []
    for seq in range(40):
        ids = rng.sample("abcdef", rng.randint(1, 3))
        apart_from = recent.take(seq, ids)
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
