"""The one way to the network: every attempt, retries included, passes here and waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiolimiter import AsyncLimiter

from engine.pacing.limiter import Limiter
from engine.pacing.retry import Breaker
from engine.pacing.turns import At, Go, Turns, WhenOneLeaves
from engine.values import Stop

LONG_S = 0.2
"""Who has to wait longer for the pace asks again when a request is over."""


class TurnRefused(Exception):
    """The run is stopping: nothing more is sent."""


class Turnstile:
    """Lets attempts through one by one: evenly paced, not too many at once, silent while the server asks for it.

    In any `t` seconds, no more than `limiter.requests_per_second * t + limiter.burst` start, whatever it learns.
    """

    def __init__(self, limiter: Limiter, breaker: Breaker, stop: Stop) -> None:
        self._turns = Turns(limiter, breaker)
        self._stop = stop
        self._line = asyncio.Lock()  # first come, first served
        self._left = asyncio.Event()
        # A bucket of `requests_per_second` would let twice the rate through in a first second.
        self._ceiling = AsyncLimiter(limiter.burst, limiter.burst / limiter.requests_per_second)
        self.in_flight_peak = 0
        self.quiet_s = 0.0
        """Seconds that attempts were held back because the server asked for silence."""

    def __repr__(self) -> str:
        return f"<Turnstile {self.in_flight} in flight of {self._turns.in_flight_max}>"

    @property
    def in_flight(self) -> int:
        """Attempts that have their turn now."""
        return self._turns.in_flight

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; it lasts until the attempt is over.

        Raises:
            TurnRefused: the run is stopping.
        """
        async with self._line:
            await self._wait_for_turn()
            self._turns.started(self._now())
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)
        try:
            yield
        finally:
            self._turns.ended()
            self._left.set()

    async def _wait_for_turn(self) -> None:
        while not self._stop.requested:
            now = self._now()
            match self._turns.next(now):
                case At(t, is_silence=True):
                    self.quiet_s += t - now
                    await self._stop.pause(t - now)
                case At(t) if t - now < LONG_S:
                    await self._stop.pause(t - now)
                case At(t):  # a reply may well raise the rate until then
                    self._left.clear()
                    await self._stop.unless_stopped(self._one_leaves_within(t - now))
                case WhenOneLeaves():
                    self._left.clear()
                    await self._stop.unless_stopped(self._left.wait())
                case Go() if await self._paid():
                    return
        raise TurnRefused

    async def _one_leaves_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._left.wait()

    async def _paid(self) -> bool:
        """Pay the ceiling; whether it is still somebody's turn after that."""
        if self._ceiling.has_capacity():
            await self._ceiling.acquire()  # at once
            return True
        await self._stop.unless_stopped(self._ceiling.acquire())
        # It may be long until then: pay again.
        return not self._stop.requested and isinstance(self._turns.next(self._now()), Go)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
