"""The gate of the stand-in: who waits is released, in order, and who gave up is not in the way."""

from __future__ import annotations

import asyncio

from engine.simulator.control import Gate
from engine.simulator.model.ledger import Stats


async def holding(gate: Gate, stats: Stats, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(gate.hold()) for _ in range(count)]
    await gate.wait_until(lambda: stats.held == count)
    return tasks


async def test_requests_are_released_in_order() -> None:
    stats = Stats()
    gate = Gate(stats)
    tasks = await holding(gate, stats, 3)
    assert gate.release(2) == 2
    await asyncio.gather(*tasks[:2])
    assert not tasks[2].done()
    assert (gate.release(), gate.release()) == (1, 0)
    await tasks[2]
    assert stats.held == 0


async def test_a_request_that_is_being_given_up_is_not_in_the_way_of_others() -> None:
    stats = Stats()
    gate = Gate(stats)
    tasks = await holding(gate, stats, 3)
    tasks[0].cancel()  # it has not run since, so the gate holds it still
    assert gate.release(1) == 1
    await tasks[1]
    assert gate.release() == 1
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[0].cancelled()
    assert stats.held == 0


async def test_a_watcher_that_gave_up_is_not_told() -> None:
    stats = Stats()
    gate = Gate(stats)
    watching = asyncio.create_task(gate.wait_until(lambda: stats.held == 1))
    await asyncio.sleep(0)
    watching.cancel()
    [task] = await holding(gate, stats, 1)
    gate.release()
    await task
    await asyncio.gather(watching, return_exceptions=True)
    assert watching.cancelled()
