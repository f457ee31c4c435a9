"""How many requests may be in flight at once, learned from latency. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from statistics import median

from engine.pacing.limiter import Signal


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
