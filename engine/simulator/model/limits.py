"""What the stand-in allows: how many requests a second, and how many at a time."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from email.utils import formatdate
from math import ceil, floor


def parse_schedule(text: str) -> list[tuple[float, float]]:
    """Read `SECOND:RATE,…` into pairs in order of time; empty text has none.

    Raises:
        ValueError: the text is not such a schedule.
    """
    try:
        steps = [(float(at), float(rate)) for at, rate in (step.split(":") for step in text.split(",") if step)]
    except ValueError:
        raise ValueError(f"rate_schedule {text!r} is not SECOND:RATE,… such as 0:20,10:10") from None
    if steps != sorted(steps) or any(rate <= 0 for _, rate in steps):
        raise ValueError(f"rate_schedule {text!r} must go forward in time and have rates above 0")
    return steps


class RateLimit:
    """At most `rate` requests a second: a token bucket of `burst`, or counted in fixed windows of `window_s`.

    With `sliding_s`, all requests of so many last seconds count, refused ones too, as in a gateway's stick table. A
    schedule replaces the rate from its moments on. Times are seconds since the first request; a rate of 0 is no limit.
    """

    def __init__(
        self, rate: float, burst: float = 1, window_s: float = 0, schedule: str = "", sliding_s: float = 0
    ) -> None:
        self._steps = parse_schedule(schedule)
        self._starts = [at for at, _ in self._steps]
        self._rate = rate
        self._burst = max(1.0, burst)
        self._window_s = window_s
        self._sliding_s = sliding_s
        self._arrived: deque[float] = deque()
        self._tokens = self._burst
        self._taken_in_window = 0
        self._last = 0.0

    def rate_at(self, now: float) -> float:
        """Return the requests allowed a second at that time; 0 is no limit."""
        step = bisect_right(self._starts, now)
        return self._steps[step - 1][1] if step else self._rate

    def take(self, now: float) -> float:
        """Let one request pass and return 0, or return in how many seconds one could pass."""
        rate = self.rate_at(now)
        if not rate:
            return 0.0
        if self._sliding_s:
            return self._take_from_table(now, rate)
        return self._take_from_window(now, rate) if self._window_s else self._take_from_bucket(now, rate)

    def remaining(self, now: float) -> int:
        """Return how many more requests could pass right now."""
        rate = self.rate_at(now)
        if self._sliding_s:
            return max(0, floor(rate * self._sliding_s) - len(self._arrived))
        if self._window_s:
            return max(0, floor(rate * self._window_s) - self._taken_in_window)
        return floor(self._tokens)

    def _take_from_bucket(self, now: float, rate: float) -> float:
        self._tokens = min(self._burst, self._tokens + (now - self._last) * rate)
        self._last = now
        if self._tokens < 1:
            return (1 - self._tokens) / rate
        self._tokens -= 1
        return 0.0

    def _take_from_window(self, now: float, rate: float) -> float:
        if now // self._window_s != self._last // self._window_s:
            self._taken_in_window = 0
        self._last = now
        if self._taken_in_window >= rate * self._window_s:
            return (now // self._window_s + 1) * self._window_s - now
        self._taken_in_window += 1
        return 0.0

    def _take_from_table(self, now: float, rate: float) -> float:
        self._arrived.append(now)
        while self._arrived[0] <= now - self._sliding_s:
            self._arrived.popleft()
        excess = len(self._arrived) - max(1, floor(rate * self._sliding_s))
        return self._arrived[excess] + self._sliding_s - now if excess > 0 else 0.0


def retry_after(kind: str, wait_s: float, clock: float) -> str | None:
    """Return the Retry-After header of a 429 that would pass in `wait_s`.

    `kind` is `seconds`, `date` (an HTTP date by the server's clock, seconds since 1970), `none`, or any other text,
    which is sent as it is: that is how malformed and absurd values are tried.
    """
    match kind:
        case "none":
            return None
        case "seconds":
            return str(ceil(wait_s))
        case "date":
            return formatdate(ceil(clock + wait_s), usegmt=True)
        case _:
            return kind


class Slots:
    """At most `capacity` holders at a time, first come first served; 0 is no limit. The capacity may change."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._busy = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    def __repr__(self) -> str:
        return f"<Slots {self._busy} of {self._capacity} taken, {len(self._queue)} waiting>"

    def resize(self, capacity: int) -> None:
        """Change the capacity; who is served already stays."""
        self._capacity = capacity
        self._admit()

    async def __aenter__(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._queue.remove(turn)
            else:  # admitted and cancelled in the same turn of the loop
                await self.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._busy -= 1
        self._admit()

    def _admit(self) -> None:
        """Give the free slots to those who have waited longest."""
        for turn in list(self._queue):
            if self._capacity and self._busy >= self._capacity:
                return
            if turn.cancelled():  # its waiter takes it out of the queue
                continue
            self._queue.remove(turn)
            self._busy += 1
            turn.set_result(None)
