"""The one way to the network: every attempt, retries included, passes here and waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiolimiter import AsyncLimiter

from engine.pacing.breaker import Breaker
from engine.pacing.learned.pacer import Pacer
from engine.values import Stop

RESOLUTION_S = 1e-6
"""Who is early by less is on time."""


class TurnRefused(Exception):
    """The run is stopping: nothing more is sent."""


class Pace:
    """When the next request is due: evenly spaced, but for what the event loop was late. Pure.

    Times are of a monotonic clock, in seconds.
    """

    LATE_S = 0.005
    LATE_SHARE = 0.1
    """A request may follow sooner by so much, or by this share of the interval, because the one before was late."""

    def __init__(self) -> None:
        self._last: float | None = None

    def due(self, now: float, interval_s: float) -> float:
        """Return when the next request may start, if intervals have this length from `now` on."""
        return now if self._last is None else self._last + interval_s

    def started(self, now: float, interval_s: float) -> None:
        """A request starts now."""
        self._last = max(self.due(now, interval_s), now - max(self.LATE_S, self.LATE_SHARE * interval_s))


class Turnstile:
    """Lets attempts through one by one: evenly paced, not too many at once, silent while the server asks for it.

    In any `t` seconds, no more than `pacer.rate_max * t + pacer.burst` start, whatever the pacer learns.
    """

    def __init__(self, pacer: Pacer, breaker: Breaker, stop: Stop) -> None:
        self._pacer = pacer
        self._breaker = breaker
        self._stop = stop
        self._line = asyncio.Lock()  # first come, first served
        self._left = asyncio.Event()
        self._pace = Pace()
        # A bucket of `rate_max` would let twice the rate through in a first second.
        self._ceiling = AsyncLimiter(pacer.burst, pacer.burst / pacer.rate_max)
        self.in_flight = 0
        self.in_flight_peak = 0
        self.quiet_s = 0.0
        """Seconds that attempts were held back because the server asked for silence."""

    def __repr__(self) -> str:
        return f"<Turnstile {self.in_flight} in flight of {self._in_flight_max()}>"

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
        while not await self._took_turn():
            if self._stop.requested:
                raise TurnRefused

    async def _took_turn(self) -> bool:
        """Wait for what is in the way; whether nothing was, so that the turn is taken."""
        if self._stop.requested:
            return False
        if not self._is_free():
            await self._wait_for_change()
            return False
        now = self._now()
        early_s = self._pace.due(now, self._pacer.interval_s(now)) - now
        if early_s > RESOLUTION_S:
            await self._stop.pause(early_s)
            return False
        if not self._ceiling.has_capacity():
            await self._stop.unless_stopped(self._ceiling.acquire())
            if not self._is_free() or self._stop.requested:
                return False  # it may be long until then: pay again
        else:
            await self._ceiling.acquire()  # at once
        now = self._now()
        self._pace.started(now, self._pacer.interval_s(now))
        return True

    def _is_free(self) -> bool:
        return self.in_flight < self._in_flight_max() and self._quiet_left_s() <= 0

    def _in_flight_max(self) -> int:
        return 1 if self._breaker.is_open else self._pacer.in_flight

    def _quiet_left_s(self) -> float:
        return self._pacer.quiet_until - self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _wait_for_change(self) -> None:
        quiet_s = self._quiet_left_s()
        if quiet_s > 0:
            self.quiet_s += quiet_s
            await self._stop.pause(quiet_s)
            return
        self._left.clear()
        await self._stop.unless_stopped(self._left.wait())
