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
        self._limiter = _evenly(pacer.rate)
        self._limiter_rate = pacer.rate
        self.in_flight = 0
        self.in_flight_peak = 0
        self.quiet_s = 0.0
        """Seconds that attempts were held back because the server asked for silence."""

    def __repr__(self) -> str:
        return f"<Turnstile {self.in_flight} in flight of {self._in_flight_max()}, {self._pacer.rate:g}/s>"

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
        paid = False
        while not (paid and self._is_free()):
            if self._stop.requested:
                raise TurnRefused
            if not self._is_free():
                await self._wait_for_change()
            elif self._current_limiter().has_capacity():
                await self._limiter.acquire()  # at once
                paid = True
            else:
                await self._stop.unless_stopped(self._limiter.acquire())
                paid = True

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

    def _current_limiter(self) -> AsyncLimiter:
        if self._limiter_rate != self._pacer.rate:
            self._limiter_rate = self._pacer.rate
            self._limiter = _evenly(self._limiter_rate)
        return self._limiter


def _evenly(rate: float) -> AsyncLimiter:
    """One request every 1/rate seconds: a bucket of `rate` would let twice the rate through in its first second."""
    return AsyncLimiter(1, 1 / rate)
