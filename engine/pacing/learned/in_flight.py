"""How many requests may be in flight at once, learned from latency. Pure."""

from __future__ import annotations

from math import inf
from statistics import median

from msgspec import Struct, field

from engine.pacing.learned import tuning
from engine.pacing.limiter import Limit, Move, Signal, Why

Reason = tuple[Why, tuple[float, ...]]


class Round(Struct):
    """What some requests that finished one after the other told about the load."""

    records_max: int
    """Of any request so far: only those that are at least half as large tell about latency."""
    latencies_s: list[float] = field(default_factory=list)
    served_per_s: list[float] = field(default_factory=list)
    """Requests in flight by latency: with a full queue, what the server serves in a second (Little's law)."""
    failures: int = 0
    conflicts: int = 0
    in_flight: int = 0

    def add(self, signal: Signal) -> None:
        """Take note of a request."""
        self.records_max = max(self.records_max, signal.records)
        self.in_flight = max(self.in_flight, signal.in_flight)
        if signal.failed:
            self.failures += 1
        elif 2 * signal.records > self.records_max:
            self.latencies_s.append(signal.latency_s)
            self.served_per_s.append(signal.in_flight / max(signal.latency_s, 1e-3))
            self.conflicts += signal.conflicts

    @property
    def seen(self) -> int:
        """Requests that count."""
        return len(self.latencies_s) + self.failures

    @property
    def conflicts_share(self) -> float:
        """The share of the records that the server retried because of version conflicts."""
        return self.conflicts / (len(self.latencies_s) * self.records_max)


class BestLatency:
    """The latency of a server without a queue.

    Now and then the limit is lowered for a round to measure it again, so that a server that has become slower is not
    taken for a full one.
    """

    def __init__(self) -> None:
        self.is_draining = False
        """Whether the limit is lowered now."""
        self._best_s: float | None = None
        self._drain_at = inf

    def measured(self, latency_s: float) -> float:
        """Return the best: measured while draining, or lower than known, but not by one lucky round."""
        if self._best_s is None:
            self._best_s = latency_s
            return latency_s
        weight = 0.5 if self.is_draining else 0.3 if latency_s < self._best_s else 0.0
        self._best_s += weight * (latency_s - self._best_s)
        return self._best_s

    def drain_soon(self, now: float) -> None:
        """Measure it again in a while."""
        self._drain_at = min(self._drain_at, now + tuning.DRAIN_EVERY_S)

    def turns(self, now: float, *, may_drain: bool) -> bool:
        """After a round: begin to drain if it is time, or end it; whether that changes what is in flight."""
        if not self.is_draining and not (may_drain and now > self._drain_at):
            return False
        self.is_draining = not self.is_draining
        self._drain_at = now + tuning.DRAIN_EVERY_S
        return True


class InFlightLimit:
    """Requests that may be in flight at once, judged in rounds of finished requests."""

    def __init__(self, ceiling: int, found: int | None) -> None:
        self.ceiling = ceiling
        self.limit = min(float(ceiling), float(found or tuning.IN_FLIGHT_AT_START))
        self.is_found = bool(found)
        """Whether more than the server can serve was ever in flight: until then, the limit doubles."""
        self._round = Round(1)
        self._best = BestLatency()
        self._served = float(found) if found else inf
        self._cut_at = -inf
        self._before_failures: float | None = None
        self._usual_conflicts = 0.0

    @property
    def current(self) -> int:
        """The limit at this moment: lower than usual while the best latency is measured."""
        return max(1, int(self.limit * (tuning.DRAIN if self._best.is_draining else 1.0)))

    def finished(self, signal: Signal) -> Move | None:
        """Take note of a finished request; return the move, if the limit moved."""
        if signal.throttled or signal.started_at < self._cut_at:
            return None
        self._round.add(signal)
        before, now = int(self.limit), signal.finished_at
        if self._round.seen < (max(tuning.ROUND_MIN, self.limit) if self.is_found else tuning.FIRST_ROUND):
            return None
        done, self._round = self._round, Round(self._round.records_max)
        reason = self._judge(done, now)
        if self._best.turns(now, may_drain=self.is_found):
            self._cut_at = now
        after = int(self.limit)
        return Move(now, Limit.IN_FLIGHT, before, after, *reason) if reason and after != before else None

    def _judge(self, done: Round, now: float) -> Reason | None:
        """Move the limit at the end of a round; return why."""
        if done.failures > tuning.FAILING * done.seen:
            self._before_failures = self._before_failures or self.limit
            self._move(0.7 * self.limit, now)
            return Why.FAILURES, ()
        usual, self._usual_conflicts = self._usual_conflicts, done.conflicts_share
        if done.conflicts_share > 1.5 * usual + 0.01:
            self.is_found = True
            self._move(0.8 * self.limit, now)
            return Why.CONFLICTS, (done.conflicts_share,)
        if self._before_failures is not None:
            return self._recover(self._before_failures)
        return self._follow_latency(done, now)

    def _follow_latency(self, done: Round, now: float) -> Reason | None:
        latency_s = median(done.latencies_s)
        best_s = self._best.measured(latency_s)
        if self._best.is_draining:
            return None
        is_busy = 2 * done.in_flight >= self.limit
        if is_busy and latency_s > tuning.LATENCY_RISEN * best_s and latency_s - best_s > 0.02:
            self.is_found = True
            self._best.drain_soon(now)
            self._served = best_s * median(done.served_per_s)
            self._move(min(self.limit, tuning.QUEUE * self._served), now)
            return Why.LATENCY_ROSE, (best_s, latency_s)
        if latency_s < tuning.CALM * best_s and done.in_flight >= self.current:
            if self.is_found:
                share = 0.3 if self.limit > tuning.FAR * self._served else 0.03
                self._move(self.limit + max(1.0, share * self.limit), now)
            else:
                self._set(self.limit + done.seen)  # doubles in a round trip
        return Why.LATENCY_CALM, (best_s,)

    def _recover(self, before: float) -> Reason:
        """Double each round, back to the limit before the failures."""
        self._set(min(before, 2 * self.limit))
        if self.limit >= before:
            self._before_failures = None
        return Why.FAILURES_OVER, ()

    def _move(self, limit: float, now: float) -> None:
        """Set the limit, and judge it only by requests that start under it."""
        self._cut_at = now
        self._set(limit)

    def _set(self, limit: float) -> None:
        self.limit = min(float(self.ceiling), max(float(min(tuning.IN_FLIGHT_MIN, self.ceiling)), limit))
