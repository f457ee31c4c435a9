"""The time worked: by this process, and by all of them, whatever lay between."""

from __future__ import annotations

import asyncio

import pytest

from engine.run.clock import WorkClock
from tests.simulation.virtual_time import VirtualLoop, run


def test_it_starts_when_it_is_made_and_adds_what_was_worked_before() -> None:
    async def work() -> None:
        await asyncio.sleep(100)
        clock = WorkClock(before_s=40.0)
        assert (clock.elapsed_s, clock.worked_s) == (0, 40)
        await asyncio.sleep(3)
        assert clock.elapsed_s == pytest.approx(3, abs=0.001)
        assert clock.worked_s == pytest.approx(43, abs=0.001)

    run(work(), VirtualLoop())


def test_a_moment_of_the_loop_is_told_in_time_worked() -> None:
    async def work() -> None:
        await asyncio.sleep(100)
        clock = WorkClock(before_s=40.0)
        assert clock.now() == asyncio.get_running_loop().time()
        assert clock.worked_at(clock.now() + 7) == 47

    run(work(), VirtualLoop())
