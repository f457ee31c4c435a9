"""How many requests may be in flight, and how many may start per second. Pure; the clock comes in.

Nobody knows the limits of the API, so they are learned beneath the configured ceilings:

- `RateLimit` listens to refusals (429). It doubles until the first one, then falls to the rate that was accepted, holds
  there, and after a while grows again to find out whether the limit is still the same.
- `InFlightLimit` listens to latency. More in flight than the server can serve at once only wait in its queue, so it
  grows while latency stays at its best and shrinks in proportion when it rises (as TCP Vegas does for a network).
- `Retry-After` and `RateLimit-*` headers are authority: everybody is silent, or slower, for as long as they say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Any

RATE_AT_START = 10.0
IN_FLIGHT_AT_START = 8
SHARE_OF_LEARNED = 0.7
"""A new run starts with this share of the rate that the last one learned."""
MOVES_MAX = 200


@dataclass(frozen=True, slots=True)
class Signal:
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


@dataclass(frozen=True, slots=True)
class Quota:
    """What `RateLimit-*` headers say: `remaining` requests may start within the next `reset_s` seconds."""

    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Move:
    """A limit moved at a time of the monotonic clock: what it is now, and why."""

    at: float
    what: str
    why: str


@dataclass(slots=True)
class RateLimit:
    """Requests that may start per second."""

    ceiling: float
    rate: float
    found: bool = False
    """Whether the server has ever refused: until then, the rate doubles."""
    known: float | None = None
    """The accepted rate at the last refusals."""
    _moved_at: float = 0.0
    _cut_at: float = -inf
    _accepted: deque[float] = field(default_factory=deque)
    _round_trip_s: float = 0.2

    HOLD_S = 4.0
    GROWTH_HOLDING = 0.005
    GROWTH_PROBING = 0.12
    WINDOW_S = 2.0
    SAMPLES_MIN = 8
    BELOW_KNOWN = 0.97
    CHANGED = 1.6
    """A refusal at more than so many times the known limit means that the limit has risen."""

    def accepted(self, signal: Signal) -> None:
        """A request was accepted: grow, if the rate is what holds the run back."""
        now = signal.finished_at
        self._round_trip_s += 0.1 * (signal.latency_s - self._round_trip_s)
        self._accepted.append(now)
        while len(self._accepted) > self.SAMPLES_MIN and self._accepted[0] < now - self.WINDOW_S:
            self._accepted.popleft()
        passed_s = min(now - self._moved_at, 1.0)
        self._moved_at = now
        measured = self._accepted_rate(now)
        if measured is None or measured > 0.7 * self.rate:
            self.rate = min(self.ceiling, self.rate * self._growth(now) ** passed_s)

    def refused(self, signal: Signal) -> str | None:
        """A request was refused: fall to what was accepted, once per round trip. Return why, if it fell."""
        now = signal.finished_at
        self.found = True
        if signal.started_at < self._cut_at:
            return None  # it was sent before the last cut could help
        measured = self._accepted_rate(now)
        self._cut_at = self._moved_at = now
        if measured is None:
            self.rate *= 0.7
            return "refused (429)"
        unchanged = self.known is not None and 0.9 * self.known < measured < self.CHANGED * self.known
        self.known = 0.7 * self.known + 0.3 * measured if unchanged and self.known else measured
        self.rate = max(0.5 * self.rate, min(0.95 * self.rate, self.BELOW_KNOWN * self.known))
        return f"refused (429) while {measured:.3g}/s were accepted"

    def _growth(self, now: float) -> float:
        """The factor by which the rate grows in a second."""
        if not self.found:
            return float(2 ** (1 / max(1.0, 1.5 * self._round_trip_s)))
        holding = now - self._cut_at < self.HOLD_S
        return 1 + (self.GROWTH_HOLDING if holding else self.GROWTH_PROBING)

    def _accepted_rate(self, now: float) -> float | None:
        """Accepted requests per second of late, or None while there are too few to tell."""
        if len(self._accepted) < self.SAMPLES_MIN:
            return None
        return len(self._accepted) / max(now - self._accepted[0], 1e-3)


@dataclass(slots=True)
class InFlightLimit:
    """Requests that may be in flight at once."""

    ceiling: int
    limit: float
    found: bool = False
    """Whether latency has ever risen with the load: until then, the limit doubles."""
    _round: list[float] = field(default_factory=list)
    _round_in_flight: int = 0
    _round_failures: int = 0
    _round_conflicts: int = 0
    _round_started_at: float = 0.0
    _records_max: int = 1
    _best: deque[tuple[float, float]] = field(default_factory=deque)
    """Median latencies of the rounds of late, with their times."""

    BEST_WINDOW_S = 60.0
    ROUND_MIN = 4
    RISEN = 1.5
    CALM = 1.25
    QUEUE = 1.15
    """So much more than the server can serve at once is kept in flight, so that it never waits for us."""
    FLOOR = 2

    def finished(self, signal: Signal) -> str | None:
        """Take note of a finished request; return why, if the limit moved."""
        if signal.started_at < self._round_started_at:
            return None  # started under another limit
        self._records_max = max(self._records_max, signal.records)
        if signal.failed:
            self._round_failures += 1
        elif not signal.throttled and 2 * signal.records > self._records_max:
            self._round.append(signal.latency_s)
            self._round_conflicts += signal.conflicts
        self._round_in_flight = max(self._round_in_flight, signal.in_flight)
        seen = len(self._round) + self._round_failures
        if seen < max(self.ROUND_MIN, self.limit):
            return None
        before = self.limit
        why = self._judge(signal.finished_at)
        self._round, self._round_failures, self._round_conflicts, self._round_in_flight = [], 0, 0, 0
        if abs(self.limit - before) >= 0.5:
            self._round_started_at = signal.finished_at
        return why if int(self.limit) != int(before) else None

    def _judge(self, now: float) -> str:
        """Move the limit at the end of a round."""
        if self._round_failures > 0.3 * (len(self._round) + self._round_failures):
            self._set(0.7 * self.limit)
            return "requests fail or time out"
        latency_s = median(self._round)
        self._best.append((now, latency_s))
        while self._best[0][0] < now - self.BEST_WINDOW_S:
            self._best.popleft()
        best_s = min(latency for _, latency in self._best)
        ratio = latency_s / max(best_s, 1e-3)
        if self._round_conflicts > 0.01 * len(self._round) * self._records_max:
            self.found = True
            self._set(0.8 * self.limit)
            return "the server retries records because of version conflicts"
        if ratio > self.RISEN and latency_s - best_s > 0.02:
            self.found = True
            self._set(self.limit / ratio * self.QUEUE)
            return f"latency rose from {best_s:.2g} s to {latency_s:.2g} s"
        if ratio < self.CALM and self._round_in_flight >= int(self.limit):
            self._set(self.limit + max(1.0, 0.05 * self.limit) if self.found else 2 * self.limit)
        return "latency stays at its best"

    def _set(self, limit: float) -> None:
        self.limit = min(float(self.ceiling), max(float(min(self.FLOOR, self.ceiling)), limit))


class Pacer:
    """Both limits, the silences, and the account of how they moved.

    `learned` is what `to_json` of an earlier run's pacer gave. Every finished attempt must be told to `learn`.
    """

    def __init__(self, *, rate_max: float, in_flight_max: int, learned: Mapping[str, Any] | None = None) -> None:
        learned_rate = (learned or {}).get("rate")
        start = SHARE_OF_LEARNED * learned_rate if learned_rate else RATE_AT_START
        self._rate = RateLimit(rate_max, min(rate_max, start), found=bool(learned_rate))
        learned_in_flight = (learned or {}).get("in_flight")
        self._in_flight = InFlightLimit(
            in_flight_max, float(min(in_flight_max, learned_in_flight or IN_FLIGHT_AT_START)), bool(learned_in_flight)
        )
        self._quota_rate = inf
        self._quota_until = 0.0
        self._catch_up_until = 0.0
        self._catch_up_trusted = True
        self.quiet_until = 0.0
        self.moves: deque[Move] = deque(maxlen=MOVES_MAX)

    def rate(self, now: float) -> float:
        """Requests that may start per second, now."""
        rate = self._rate.rate
        if self.quiet_until <= now < self._catch_up_until:
            rate = min(2 * rate, self._rate.ceiling)
        return min(rate, self._quota_rate) if now < self._quota_until else rate

    @property
    def in_flight(self) -> int:
        """Requests that may be in flight at once."""
        return max(1, int(self._in_flight.limit))

    @property
    def limit_found(self) -> str | None:
        """What was learned so far, in words, or None if the ceilings are all there is."""
        parts = []
        if self._rate.found:
            parts.append(f"{self._rate.rate:.3g} requests/s")
        if self._in_flight.found:
            parts.append(f"{self.in_flight} in flight")
        return ", ".join(parts) or None

    def learn(self, signal: Signal) -> None:
        """Take note of a finished attempt."""
        now = signal.finished_at
        if signal.throttled:
            if now < self._catch_up_until:
                self._catch_up_trusted = False  # the server does not save up what was not used
            self._note(now, f"{self._rate.rate:.3g}/s", self._rate.refused(signal))
        elif not signal.failed:
            self._rate.accepted(signal)
        self._note(now, f"{self.in_flight} in flight", self._in_flight.finished(signal))
        if signal.retry_after_s is not None and (signal.throttled or signal.failed):
            self._be_quiet(now, signal.retry_after_s)
        if signal.quota is not None:
            self._obey(now, signal.quota)

    def to_json(self) -> dict[str, Any]:
        """Return what the next run starts from: only limits that were really found."""
        rate = self._rate.known or self._rate.rate
        return {
            "rate": rate if self._rate.found else None,
            "in_flight": self.in_flight if self._in_flight.found else None,
        }

    def _be_quiet(self, now: float, seconds: float) -> None:
        until = now + seconds
        if until <= self.quiet_until:
            return
        self.quiet_until = until
        if self._catch_up_trusted:
            self._catch_up_until = until + min(seconds, 2.0)

    def _obey(self, now: float, quota: Quota) -> None:
        """Spread what is left of a quota evenly over the time until it is renewed."""
        if quota.remaining <= 0:
            self._be_quiet(now, quota.reset_s)
            return
        self._quota_rate = max(quota.remaining / max(quota.reset_s, 0.05), 0.1)
        self._quota_until = now + quota.reset_s

    def _note(self, now: float, what: str, why: str | None) -> None:
        if why is not None:
            self.moves.append(Move(now, what, why))


def quota_of(headers: Mapping[str, str], seconds_since_epoch: float | None = None) -> Quota | None:
    """Return what the rate limit headers of a reply say, or None if they say nothing that is understood.

    `RateLimit-Remaining` and `RateLimit-Reset` of draft-ietf-httpapi-ratelimit-headers, or the same with `X-`; a reset
    that looks like a date since the epoch is measured against `seconds_since_epoch`, the reply's own date.
    """
    for prefix in ("ratelimit-", "x-ratelimit-"):
        try:
            remaining = int(headers[prefix + "remaining"])
            reset_s = float(headers[prefix + "reset"])
        except (KeyError, ValueError):
            continue
        if reset_s > 1e9:
            if seconds_since_epoch is None:
                continue
            reset_s -= seconds_since_epoch
        if remaining >= 0 and 0 <= reset_s < 86_400:
            return Quota(remaining, reset_s)
    return None
