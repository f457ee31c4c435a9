"""A request to stop: made once, noticed by everybody who waits."""

from __future__ import annotations

import asyncio

import pytest

from engine.values.errors import Interrupted, SourceUntrusted
from engine.values.stopping import Stop
from tests.simulation.virtual_time import VirtualLoop, run


def test_the_first_reason_stays() -> None:
    async def work() -> None:
        stop = Stop()
        assert not stop.requested
        assert stop.error is None
        first = Interrupted("SIGTERM")
        stop.request(first)
        stop.request(SourceUntrusted("later"))
        assert stop.requested
        assert stop.error is first
        await stop.wait()

    run(work(), VirtualLoop())


@pytest.mark.parametrize(("stop_at", "ends_at"), [(None, 10.0), (3.0, 3.0), (50.0, 10.0)])
def test_a_pause_ends_with_its_time_or_with_the_stop(stop_at: float | None, ends_at: float) -> None:
    async def work() -> float:
        stop, loop = Stop(), asyncio.get_running_loop()
        if stop_at is not None:
            loop.call_later(stop_at, stop.request, Interrupted("SIGTERM"))
        await stop.pause(10)
        return loop.time()

    assert run(work(), VirtualLoop()) == pytest.approx(ends_at, abs=0.001)


def test_a_pause_after_the_stop_takes_no_time() -> None:
    async def work() -> float:
        stop = Stop()
        stop.request(Interrupted("SIGTERM"))
        await stop.pause(1000)
        return asyncio.get_running_loop().time()

    assert run(work(), VirtualLoop()) < 0.01


def test_what_is_waited_for_may_fail() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError

    async def work() -> None:
        with pytest.raises(ZeroDivisionError):
            await Stop().unless_stopped(fail())

    run(work(), VirtualLoop())


@pytest.mark.parametrize("end", ["time", "stop", "cancel"])
def test_nothing_is_left_behind(end: str) -> None:
    async def work() -> None:
        stop = Stop()
        cleaned_up = asyncio.Event()

        async def waiting() -> None:
            try:
                await asyncio.sleep(5 if end == "time" else 1000)
            finally:
                cleaned_up.set()

        outer = asyncio.ensure_future(stop.unless_stopped(waiting()))
        await asyncio.sleep(1)
        if end == "stop":
            stop.request(Interrupted("SIGTERM"))
        elif end == "cancel":
            outer.cancel()
        await asyncio.gather(outer, return_exceptions=True)
        assert outer.cancelled() == (end == "cancel")
        assert cleaned_up.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(work(), VirtualLoop())
