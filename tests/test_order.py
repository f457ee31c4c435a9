"""The order gate: no two chunks that share an id at once, no more chunks than allowed, source order kept."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from engine.order import OrderGate
from tests.simulation.virtual_time import VirtualLoop, run


async def is_admitted(gate: OrderGate, *ids: str) -> bool:
    """Whether these ids pass at once."""
    task = asyncio.ensure_future(gate.admit(ids))
    for _ in range(5):
        await asyncio.sleep(0)
    if task.done():
        return True
    task.cancel()
    return False


async def test_a_chunk_waits_for_the_one_it_shares_an_id_with() -> None:
    gate = OrderGate(chunks_max=10)
    await gate.admit(["a", "b"])
    assert await is_admitted(gate, "c")
    assert not await is_admitted(gate, "b", "d")
    gate.release(["c"])
    assert not await is_admitted(gate, "b", "d")
    gate.release(["a", "b"])
    assert await is_admitted(gate, "b", "d")


async def test_no_more_chunks_than_allowed_even_without_ids() -> None:
    gate = OrderGate(chunks_max=2)
    await gate.admit(["a"])
    await gate.admit([])
    assert not await is_admitted(gate, "b")
    gate.release([])
    assert await is_admitted(gate, "b")


async def test_who_was_cancelled_holds_nothing() -> None:
    gate = OrderGate(chunks_max=1)
    await gate.admit(["a"])
    assert not await is_admitted(gate, "b")
    gate.release(["a"])
    assert repr(gate) == "<OrderGate 0/1 chunks, 0 ids>"
    assert await is_admitted(gate, "b")


@pytest.mark.parametrize("seed", range(30))
def test_versions_stay_in_order_and_apart(seed: int) -> None:
    rng = Random(seed)
    chunks = [rng.sample("abcdef", rng.randint(1, 3)) for _ in range(40)]
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
        gate, tasks = OrderGate(chunks_max=4), []
        for number, ids in enumerate(chunks):
            await gate.admit(ids)
            assert all(set(ids).isdisjoint(chunks[other]) for other in at_work)
            at_work.append(number)
            peak = max(peak, len(at_work))
            tasks.append(asyncio.ensure_future(finish(gate, number)))
        await asyncio.gather(*tasks)

    run(work(), VirtualLoop())
    assert 1 < peak <= 4
    for id_ in "abcdef":
        assert [n for n in finished if id_ in chunks[n]] == [n for n in range(40) if id_ in chunks[n]]
