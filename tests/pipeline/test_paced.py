"""Nothing goes before its turn, and the turn lasts as long as the request."""

from __future__ import annotations

import asyncio

import pytest

from engine.pacing.turnstile import TurnRefused
from engine.pipeline.paced import Paced
from engine.pipeline.sending import Answer
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.fakes import traffic_of
from tests.pipeline.senders import REQUEST, SETTLED, FakeSender
from tests.simulation.virtual_time import VirtualLoop, run


class Road:
    """A sender behind the turnstile. Needs a running loop."""

    def __init__(self, given: Answer | Exception = SETTLED, *, workers: int = 1) -> None:
        self.stop = Stop()
        self.turnstile = traffic_of(self.stop, workers=workers).turnstile
        self.inner = FakeSender(given, latency_s=1.0)
        self.sender = Paced(self.inner, self.turnstile)


def test_a_request_waits_until_it_may_go() -> None:
    async def work() -> None:
        road = Road(workers=1)
        both = [asyncio.ensure_future(road.sender.send(REQUEST)) for _ in range(2)]
        await asyncio.sleep(0.5)
        assert (len(road.inner.sent), road.turnstile.in_flight) == (1, 1)
        await asyncio.sleep(1)
        assert (len(road.inner.sent), road.turnstile.in_flight) == (2, 1)
        assert await asyncio.gather(*both) == [SETTLED, SETTLED]
        assert road.turnstile.in_flight == 0

    run(work(), VirtualLoop())


def test_when_the_run_stops_what_waits_is_not_sent() -> None:
    async def work() -> None:
        road = Road(workers=1)
        first, second = [asyncio.ensure_future(road.sender.send(REQUEST)) for _ in range(2)]
        await asyncio.sleep(0.5)
        road.stop.request(Interrupted("SIGTERM"))
        with pytest.raises(TurnRefused):
            await second
        assert await first is SETTLED  # it was on its way
        assert len(road.inner.sent) == 1

    run(work(), VirtualLoop())


def test_a_turn_ends_however_the_request_does() -> None:
    async def work() -> None:
        road = Road(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await road.sender.send(REQUEST)
        cancelled = asyncio.ensure_future(road.sender.send(REQUEST))
        await asyncio.sleep(0.5)
        assert road.turnstile.in_flight == 1
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert road.turnstile.in_flight == 0

    run(work(), VirtualLoop())
