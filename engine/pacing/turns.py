"""Whose turn it is: the decision that the turnstile enforces. Pure; times are of a monotonic clock, in seconds."""

from __future__ import annotations

from msgspec import Struct

from engine.pacing.limiter import Limiter
from engine.pacing.retry import Breaker

RESOLUTION_S = 1e-6
"""Who is early by less is on time."""


class Go(Struct, frozen=True):
    """The next request may start now."""


class At(Struct, frozen=True):
    """Not before `t`: ask again then."""

    t: float
    is_silence: bool = False
    """Whether the server asked for it; otherwise it is for the pace."""


class WhenOneLeaves(Struct, frozen=True):
    """As many as may be are in flight: ask again when a request is over."""


class Pace:
    """When the next request is due: evenly spaced, but for what the event loop was late."""

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


class Turns:
    """Knows what is in flight, and decides when the next request may start."""

    def __init__(self, limiter: Limiter, breaker: Breaker) -> None:
        self.in_flight = 0
        self._limiter = limiter
        self._breaker = breaker
        self._pace = Pace()

    @property
    def in_flight_max(self) -> int:
        """Requests that may be in flight now: one, a probe, in an outage."""
        return 1 if self._breaker.is_open else self._limiter.in_flight

    def next(self, now: float) -> Go | At | WhenOneLeaves:
        """Decide about the request whose turn is next. It changes nothing."""
        if self._limiter.quiet_until > now:
            return At(self._limiter.quiet_until, is_silence=True)
        if self.in_flight >= self.in_flight_max:
            return WhenOneLeaves()
        due = self._pace.due(now, self._limiter.interval_s(now))
        return At(due) if due - now > RESOLUTION_S else Go()

    def started(self, now: float) -> None:
        """A request starts now."""
        self._pace.started(now, self._limiter.interval_s(now))
        self.in_flight += 1

    def ended(self) -> None:
        """A request is over."""
        self.in_flight -= 1
