"""What a limiter is told, and what it says: the seam between pacing and everything that is paced.

Then what every limiter has in common: its burst, and that it does what a server asks for in its headers. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from math import inf
from typing import Any, Protocol, Self

from msgspec import Struct

from engine.api import Quota

MOVES_MAX = 200
"""Moves that a limiter remembers."""
BURST_S = 0.6
BURST_MAX = 6.0
"""So many seconds' worth of requests may start at once after a pause, but never more than so many."""
QUOTA_RATE_MIN = 0.1


class Signal(Struct, frozen=True):
    """What one finished attempt tells about the server's limits. Times are of a monotonic clock, in seconds."""

    started_at: float
    finished_at: float
    records: int
    in_flight: int = 1
    """Requests in flight when it started, itself included."""
    throttled: bool = False
    """Refused because of the rate (429)."""
    failed: bool = False
    """No reply in time, or a server error: overload, if it happens often."""
    conflicts: int = 0
    """Records the server retried because of version conflicts."""
    retry_after_s: float | None = None
    quota: Quota | None = None

    @property
    def latency_s(self) -> float:
        """From the start of the request to the end of its reply."""
        return self.finished_at - self.started_at


class Limit(Enum):
    """What moves."""

    RATE = auto()  # requests that may start per second
    IN_FLIGHT = auto()  # requests that may be in flight at once


class Why(Enum):
    """Why a limit moved, and which figures say so. Rates are in requests per second, shares between 0 and 1."""

    NEVER_REFUSED = auto()
    NOT_REFUSED = auto()  # seconds since the last refusal
    REFUSED = auto()  # the rate that was refused, and the rate that was accepted until then
    REFUSED_ANYHOW = auto()  # the rate that was refused, and the share that is refused whatever the rate
    FAILURES = auto()
    FAILURES_OVER = auto()
    CONFLICTS = auto()  # the share of the records that the server retried
    LATENCY_ROSE = auto()  # its best, and the latest, in seconds
    LATENCY_CALM = auto()  # its best, in seconds


class Move(Struct, frozen=True):
    """A limit moved at a time of the monotonic clock, in seconds."""

    at: float
    limit: Limit
    before: float
    after: float
    why: Why
    figures: tuple[float, ...] = ()


class Found(Struct, frozen=True):
    """The limits that a server turned out to have; None where the configured ceiling is all that is known."""

    rate: float | None = None
    """Requests per second."""
    in_flight: int | None = None

    @classmethod
    def of(cls, learned: Mapping[str, Any] | None) -> Self:
        """Read what `to_json` of an earlier run's limiter gave, if anything."""
        return cls(learned.get("rate"), learned.get("in_flight")) if learned else cls()


class Limiter(Protocol):
    """How many requests may start per second and be in flight, beneath configured ceilings. Pure; the clock comes in.

    Every finished attempt must be told to `learn`. Times are of a monotonic clock, in seconds.
    """

    requests_per_second: float
    """The ceiling of the rate."""
    burst: float
    """Requests that may start at once after a pause; in the long run no more than `requests_per_second` do."""

    @property
    def in_flight(self) -> int:
        """Requests that may be in flight at once."""

    @property
    def quiet_until(self) -> float:
        """Until then nothing may start, because the server said so."""

    @property
    def found(self) -> Found:
        """What was learned so far."""

    @property
    def moves(self) -> Sequence[Move]:
        """How the limits moved: the latest `MOVES_MAX`, oldest first."""

    def rate(self, now: float) -> float:
        """Requests that may start per second, now."""

    def interval_s(self, now: float) -> float:
        """Seconds from the start of one request to that of the next, now.

        Shorter than the rate has it while a silence is made up for: `burst` limits by how many requests.
        """

    def learn(self, signal: Signal) -> None:
        """Take note of a finished attempt."""

    def to_json(self) -> dict[str, Any]:
        """Return what the limiter of the next run starts from: only limits that were really found."""


def burst_beneath(requests_per_second: float) -> float:
    """Return how many requests may start at once after a pause."""
    return max(1.0, min(BURST_MAX, BURST_S * requests_per_second))


class Authority:
    """Obeys `Retry-After` and `RateLimit-*`: everybody is silent, or slower, for as long as the server says.

    Times are of a monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self.quiet_until = 0.0
        self._quiet_from = 0.0
        self._quota_rate = inf
        self._quota_until = -inf

    def rate_max(self, now: float) -> float:
        """Requests that the quota allows per second; infinite without one."""
        return self._quota_rate if now < self._quota_until else inf

    def obey(self, signal: Signal) -> list[tuple[float, float]]:
        """Return each silence that the reply begins or prolongs: from when, and until when."""
        asked_s = [signal.retry_after_s] if signal.throttled or signal.failed else []
        if signal.quota is not None:
            asked_s.append(self._spread(signal.finished_at, signal.quota))
        return [silence for seconds in asked_s for silence in self._be_quiet(signal.finished_at, seconds)]

    def _spread(self, now: float, quota: Quota) -> float | None:
        """Spread what is left evenly over the time until it is renewed; return that time if nothing is left."""
        if quota.remaining <= 0:
            return quota.reset_s
        self._quota_rate = max(quota.remaining / max(quota.reset_s, 0.05), QUOTA_RATE_MIN)
        self._quota_until = now + quota.reset_s
        return None

    def _be_quiet(self, now: float, seconds: float | None) -> list[tuple[float, float]]:
        if seconds is None or now + seconds <= self.quiet_until:
            return []
        if now >= self.quiet_until:
            self._quiet_from = now
        self.quiet_until = now + seconds
        return [(self._quiet_from, self.quiet_until)]
