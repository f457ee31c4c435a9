"""How many requests may be in flight, and how many may start per second. Pure; the clock comes in.

Nobody knows the limits of the API, so they are learned beneath the configured ceilings, from every attempt's `Signal`:

- Refusals (429) teach the **rate** (`rate.py`): it grows until the first one, falls to what was accepted, holds
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
from math import inf
from typing import Any

from engine.api import Quota
from engine.pacing.learned.in_flight import InFlightLimit
from engine.pacing.learned.rate import RateLimit
from engine.pacing.limiter import Move, Signal

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
