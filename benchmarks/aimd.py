"""A plain rival of the learned pacing, to measure what that buys. Pure; the clock comes in.

Additive increase, multiplicative decrease, as in "Analysis of the Increase and Decrease Algorithms for Congestion
Avoidance in Computer Networks" (Chiu and Jain, 1989): the rate grows steadily, and falls by a share when it is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf
from typing import Any

from msgspec.structs import asdict

from engine.pacing.limiter import MOVES_MAX, Authority, Found, Limit, Move, Signal, Why, burst_beneath

START = 10.0
GROWTH_PER_S = 1.0
"""Requests per second that the rate gains in a second, if it is used."""
DECREASE = 0.7
"""Of the pairs tried on modelled servers (growth of 0.5 to 4, decrease to 0.5 to 0.85), the best compromise."""
RATE_MIN = 0.1


class Aimd:
    """A `Limiter` that knows one rule. What is in flight is bound by the ceiling only."""

    def __init__(
        self, *, requests_per_second: float, concurrency: int, learned: Mapping[str, Any] | None = None
    ) -> None:
        self.requests_per_second = requests_per_second
        self.burst = burst_beneath(requests_per_second)
        self.in_flight = concurrency
        self.moves: deque[Move] = deque(maxlen=MOVES_MAX)
        self._found = Found.of(learned).rate
        self._rate = min(requests_per_second, self._found or START)
        self._cut_at = -inf
        self._authority = Authority()

    @property
    def quiet_until(self) -> float:
        """Until then nothing may start."""
        return self._authority.quiet_until

    @property
    def found(self) -> Found:
        """The rate, once it was refused."""
        return Found(self._found and self._rate)

    def rate(self, now: float) -> float:
        """Requests that may start per second, now."""
        return min(self._rate, self._authority.rate_max(now))

    def interval_s(self, now: float) -> float:
        """Seconds from the start of one request to that of the next, now."""
        return 1 / self.rate(now)

    def learn(self, signal: Signal) -> None:
        """Take note of a finished attempt: refusals of one round trip cut once."""
        if signal.throttled and signal.started_at >= self._cut_at:
            before, self._cut_at = self._rate, signal.finished_at
            self._found = self._rate = max(RATE_MIN, DECREASE * before)
            self.moves.append(
                Move(signal.finished_at, Limit.RATE, before, self._rate, Why.REFUSED, (before, self._rate))
            )
        elif not (signal.throttled or signal.failed):
            self._rate = min(self.requests_per_second, self._rate + GROWTH_PER_S / self._rate)
        self._authority.obey(signal)

    def to_json(self) -> dict[str, Any]:
        """Return what the next run starts from."""
        return asdict(self.found)
