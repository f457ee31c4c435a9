"""The one way to the network: every attempt, retries included, passes here and waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter

from engine.pacing import Pacer
from engine.retry import Breaker
from engine.stopping import Stop


class TurnRefused(Exception):
    """The run is stopping: nothing more is sent."""


class Turnstile:
    """Lets attempts through one by one: evenly paced, not too many at once, silent while the server asks for it."""

    def __init__(self, pacer: Pacer, breaker: Breaker, stop: Stop) -> None:
        self._pacer = pacer
        self._breaker = breaker
        self._stop = stop
        self._line = asyncio.Lock()  # first come, first served
        self._left = asyncio.Event()
        self._limiter = AsyncLimiter(1, 1e-6)  # the first request goes at once
        self._limiter_rate = 0.0
        self.in_flight = 0
        self.in_flight_peak = 0
        self.quiet_s = 0.0
        """Seconds that attempts were held back because the server asked for silence."""

    def __repr__(self) -> str:
        return f"<Turnstile {self.in_flight} in flight of {self._in_flight_max()}, {self._limiter_rate:g}/s>"

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; it lasts until the attempt is over.

        Raises:
            TurnRefused: the run is stopping.
        """
        async with self._line:
            await self._wait_for_turn()
            self.in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1
            self._left.set()

    async def _wait_for_turn(self) -> None:
        due = False
        while not due:
            if self._stop.requested:
                raise TurnRefused
            if self._is_free():
                await self._pay()
                due = self._is_free() and not self._stop.requested  # else it may be long until then: pay again
            else:
                await self._wait_for_change()

    async def _pay(self) -> None:
        """Wait until the next request is due."""
        if self._limiter.has_capacity():
            await self._limiter.acquire()  # at once
        else:
            await self._stop.unless_stopped(self._limiter.acquire())
        await self._keep_the_pace()

    async def _keep_the_pace(self) -> None:
        """Let the interval that begins now have the length of the current rate."""
        rate = self._pacer.rate(asyncio.get_running_loop().time())
        if rate != self._limiter_rate:
            self._limiter_rate = rate
            # One request every 1/rate seconds: a bucket of `rate` would let twice the rate through in a first second.
            self._limiter = AsyncLimiter(1, 1 / rate)
            await self._limiter.acquire()  # what was just paid counts in the new pace, too

    def _is_free(self) -> bool:
        return self.in_flight < self._in_flight_max() and self._quiet_left_s() <= 0

    def _in_flight_max(self) -> int:
        return 1 if self._breaker.is_open else self._pacer.in_flight

    def _quiet_left_s(self) -> float:
        return self._pacer.quiet_until - asyncio.get_running_loop().time()

    async def _wait_for_change(self) -> None:
        quiet_s = self._quiet_left_s()
        if quiet_s > 0:
            self.quiet_s += quiet_s
            await self._stop.pause(quiet_s)
            return
        self._left.clear()
        await self._stop.unless_stopped(self._left.wait())
