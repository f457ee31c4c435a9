"""How many requests may be in flight, and how many may start per second. Pure; the clock comes in.

Nobody knows the limits of the API, so they are learned beneath the configured ceilings, from every attempt's `Signal`:

- Refusals (429) teach the **rate** (`rate_limit.py`): it grows until the first one, falls to what was accepted, holds
  there, and grows again after a while to find out whether the limit is still the same.
- Latency teaches how many may be **in flight** (`InFlightLimit`): more than the server can serve at once only wait in
  its queue, so the limit grows while latency stays at its best, and falls to what the server serves at its best latency
  when it rises. Version conflicts that rise, and many failures at once, cut it too. Single failures move nothing.
- `Retry-After` and `RateLimit-*` headers are **authority**: everybody is silent, or slower, for as long as they say.

Each movement of a limit is written down with its reason. What was learned is where the next run starts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Any

from engine.rate_limit import RateLimit

RATE_AT_START = 10.0
FEW_IN_FLIGHT = 8
"""With so few in flight at most, a faster start risks little, and a server that is slow is busy at once."""
IN_FLIGHT_AT_START = 16
SHARE_OF_LEARNED = 0.7
"""A new run starts with this share of the rate that the last one learned."""
MOVES_MAX = 200
BURST_S = 0.6
BURST_MAX = 6.0
"""So many seconds' worth of requests may start at once after a pause, but never more than so many."""


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
class Round:
    """What some requests that finished one after the other told about the load."""

    latencies_s: list[float] = field(default_factory=list)
    served_per_s: list[float] = field(default_factory=list)
    """Requests in flight by latency: with a full queue, what the server serves in a second (Little's law)."""
    failures: int = 0
    conflicts: int = 0
    in_flight: int = 0

    def add(self, signal: Signal, *, comparable: bool) -> None:
        """Take note of a request; only `comparable` ones (of full size) tell about latency."""
        self.in_flight = max(self.in_flight, signal.in_flight)
        if signal.failed:
            self.failures += 1
        elif comparable:
            self.latencies_s.append(signal.latency_s)
            self.served_per_s.append(signal.in_flight / max(signal.latency_s, 1e-3))
            self.conflicts += signal.conflicts

    @property
    def seen(self) -> int:
        """Requests that count."""
        return len(self.latencies_s) + self.failures


class InFlightLimit:
    """Requests that may be in flight at once.

    Judged in rounds of finished requests. The best latency is that of a server without a queue: now and then the limit
    is lowered for a round to measure it again, so that a server that has become slower is not taken for a full one.
    """

    ROUND_AT_START = 8
    ROUND = 12
    RISEN = 1.35
    """Latency so many times its best means that requests wait in the server's queue."""
    CALM = 1.15
    QUEUE = 1.2
    """So much more than the server serves at once is kept in flight, so that it never waits for us."""
    FAR = 1.5
    """So many times above what was once too much, the limit grows faster: the server has changed."""
    FAILING = 0.3
    DRAIN = 0.7
    DRAIN_EVERY_S = 30.0
    FLOOR = 2

    def __init__(self, ceiling: int, start: float, *, found: bool = False) -> None:
        self.ceiling = ceiling
        self.limit = min(float(ceiling), start)
        self.found = found
        """Whether more than the server can serve was ever in flight: until then, the limit doubles."""
        self._round = Round()
        self._records_max = 1
        self._best_s: float | None = None
        self._served = start if found else inf
        self._cut_at = -inf
        self._before_failures: float | None = None
        self._usual_conflicts = 0.0
        self._draining = False
        self._drain_at = inf

    @property
    def current(self) -> int:
        """The limit at this moment: lower than usual while the best latency is measured."""
        return max(1, int(self.limit * (self.DRAIN if self._draining else 1.0)))

    def finished(self, signal: Signal) -> str | None:
        """Take note of a finished request; return why, if the limit moved."""
        if signal.throttled or signal.started_at < self._cut_at:
            return None
        self._records_max = max(self._records_max, signal.records)
        self._round.add(signal, comparable=2 * signal.records > self._records_max)
        if self._round.seen < (max(self.ROUND, self.limit) if self.found else self.ROUND_AT_START):
            return None
        before, now = int(self.limit), signal.finished_at
        done, self._round = self._round, Round()
        why = self._judge(done, now)
        if self._draining or (self.found and now > self._drain_at):
            self._draining = not self._draining
            self._cut_at, self._drain_at = now, now + self.DRAIN_EVERY_S
        return why if int(self.limit) != before else None

    def _judge(self, done: Round, now: float) -> str | None:
        """Move the limit at the end of a round; return why."""
        if done.failures > self.FAILING * done.seen:
            self._before_failures = self._before_failures or self.limit
            self._move(0.7 * self.limit, now)
            return "requests fail or time out"
        conflicts = done.conflicts / (len(done.latencies_s) * self._records_max)
        usual, self._usual_conflicts = self._usual_conflicts, conflicts
        if conflicts > 1.5 * usual + 0.01:
            self.found = True
            self._move(0.8 * self.limit, now)
            return f"the server retried {conflicts:.0%} of the records because of version conflicts"
        if self._before_failures is not None:
            return self._recover(self._before_failures)
        return self._follow_latency(done, now)

    def _follow_latency(self, done: Round, now: float) -> str | None:
        latency_s = median(done.latencies_s)
        best_s = self._best_s = self._best(latency_s)
        busy = 2 * done.in_flight >= self.limit
        if self._draining:
            return None
        if busy and latency_s > self.RISEN * best_s and latency_s - best_s > 0.02:
            self.found = True
            self._drain_at = min(self._drain_at, now + self.DRAIN_EVERY_S)
            self._served = best_s * median(done.served_per_s)
            self._move(min(self.limit, self.QUEUE * self._served), now)
            return f"latency rose from {best_s:.2g} s to {latency_s:.2g} s"
        if latency_s < self.CALM * best_s and done.in_flight >= self.current:
            if self.found:
                share = 0.3 if self.limit > self.FAR * self._served else 0.03
                self._move(self.limit + max(1.0, share * self.limit), now)
            else:
                self._set(self.limit + done.seen)  # doubles in a round trip
        return f"latency stays at its best, {best_s:.2g} s"

    def _best(self, latency_s: float) -> float:
        """The latency without a queue: measured while draining, or lower than known, but not by one lucky round."""
        if self._best_s is None:
            return latency_s
        weight = 0.5 if self._draining else 0.3 if latency_s < self._best_s else 0.0
        return self._best_s + weight * (latency_s - self._best_s)

    def _recover(self, before: float) -> str:
        """Double each round, back to the limit before the failures."""
        self._set(min(before, 2 * self.limit))
        if self.limit >= before:
            self._before_failures = None
        return "requests succeed again"

    def _move(self, limit: float, now: float) -> None:
        """Set the limit, and judge it only by requests that start under it."""
        self._cut_at = now
        self._set(limit)

    def _set(self, limit: float) -> None:
        self.limit = min(float(self.ceiling), max(float(min(self.FLOOR, self.ceiling)), limit))


class Pacer:
    """Both limits, the silences, and the account of how they moved.

    `learned` is what `to_json` of an earlier run's pacer gave. Every finished attempt must be told to `learn`.
    """

    def __init__(self, *, rate_max: float, in_flight_max: int, learned: Mapping[str, Any] | None = None) -> None:
        learned = learned or {}
        self.rate_max = rate_max
        self.burst = max(1.0, min(BURST_MAX, BURST_S * rate_max))
        """Requests that may start at once after a pause. More than `rate_max` is never made of it in the long run."""
        known, in_flight = learned.get("rate"), learned.get("in_flight")
        start = 4 * RATE_AT_START if in_flight_max <= FEW_IN_FLIGHT else RATE_AT_START
        start = SHARE_OF_LEARNED * known if known else start
        self._rate = RateLimit(rate_max, start, known or None, spend_s=BURST_S if rate_max <= RATE_AT_START else 0.0)
        self._in_flight = InFlightLimit(in_flight_max, float(in_flight or IN_FLIGHT_AT_START), found=bool(in_flight))
        self._quota_rate = inf
        self._quota_until = -inf
        self._quiet_from = 0.0
        self.quiet_until = 0.0
        self.moves: deque[Move] = deque(maxlen=MOVES_MAX)

    def rate(self, now: float) -> float:
        """Requests that may start per second, now."""
        return min(self._wanted(now), self.rate_max)

    def interval_s(self, now: float) -> float:
        """Seconds from the start of one request to that of the next, now.

        Shorter than the rate has it while a silence is made up for: `burst` limits by how many requests.
        """
        return 1 / self._wanted(now)

    @property
    def in_flight(self) -> int:
        """Requests that may be in flight at once."""
        return self._in_flight.current

    @property
    def limit_found(self) -> str | None:
        """What was learned so far, in words, or None if the ceilings are all there is."""
        parts = []
        if self._rate.known is not None:
            parts.append(f"{self._rate.known:.3g} requests/s")
        if self._in_flight.found:
            parts.append(f"{int(self._in_flight.limit)} in flight")
        return ", ".join(parts) or None

    def learn(self, signal: Signal) -> None:
        """Take note of a finished attempt."""
        now = signal.finished_at
        why = self._learn_rate(signal)
        if why is not None:
            self.moves.append(Move(now, f"{self._rate.rate:.3g}/s", why))
        why = self._in_flight.finished(signal)
        if why is not None:
            self.moves.append(Move(now, f"{int(self._in_flight.limit)} in flight", why))
        if signal.retry_after_s is not None and (signal.throttled or signal.failed):
            self._be_quiet(now, signal.retry_after_s)
        if signal.quota is not None:
            self._obey(now, signal.quota)

    def to_json(self) -> dict[str, Any]:
        """Return what the next run starts from: only limits that were really found."""
        return {"rate": self._rate.known, "in_flight": int(self._in_flight.limit) if self._in_flight.found else None}

    def _wanted(self, now: float) -> float:
        rate = self._rate.rate * self._rate.savings.factor(now)
        return min(rate, self._quota_rate) if now < self._quota_until else rate

    def _learn_rate(self, signal: Signal) -> str | None:
        if signal.throttled:
            return self._rate.refused(signal.started_at, signal.finished_at, signal.in_flight)
        if signal.failed:
            self._rate.admitted(signal.started_at)
            return None
        return self._rate.accepted(signal.started_at, signal.finished_at)

    def _be_quiet(self, now: float, seconds: float) -> None:
        if now + seconds <= self.quiet_until:
            return
        if now >= self.quiet_until:
            self._quiet_from = now
        self.quiet_until = now + seconds
        self._rate.silent(self._quiet_from, self.quiet_until)

    def _obey(self, now: float, quota: Quota) -> None:
        """Spread what is left of a quota evenly over the time until it is renewed."""
        if quota.remaining <= 0:
            self._be_quiet(now, quota.reset_s)
            return
        self._quota_rate = max(quota.remaining / max(quota.reset_s, 0.05), 0.1)
        self._quota_until = now + quota.reset_s


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
