"""How many requests may be in flight, and how many may start per second. Pure; the clock comes in.

Nobody knows the limits of the API, so they are learned beneath the configured ceilings, from every attempt's `Signal`:

- Refusals (429) teach the **rate** (`rate.py`): it grows until the first one, falls to what was accepted, holds
  there, and grows again after a while to find out whether the limit is still the same.
- Latency teaches how many may be **in flight** (`in_flight.py`): more than the server can serve at once only wait in
  its queue, so the limit grows while latency stays at its best, and falls to what the server serves at its best latency
  when it rises. Version conflicts that rise, and many failures at once, cut it too. Single failures move nothing.
- `Retry-After` and `RateLimit-*` headers are **authority** (`Authority` in `limiter.py`).

Each movement of a limit is written down with its reason. What was learned is where the next run starts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from engine.pacing.learned import tuning
from engine.pacing.learned.in_flight import InFlightLimit
from engine.pacing.learned.rate import RateLimit
from engine.pacing.limiter import MOVES_MAX, Authority, Found, Move, Signal, burst_beneath


class Pacer:
    """The learned `Limiter`: both limits, the silences, and the account of how the limits moved.

    `learned` is what `to_json` of an earlier run's limiter gave.
    """

    def __init__(
        self, *, requests_per_second: float, concurrency: int, learned: Mapping[str, Any] | None = None
    ) -> None:
        found = Found.of(learned)
        start = tuning.RATE_AT_START * (tuning.FASTER_START if concurrency <= tuning.FEW_IN_FLIGHT else 1)
        start = tuning.SHARE_OF_LEARNED * found.rate if found.rate else start
        self.requests_per_second = requests_per_second
        self.burst = burst_beneath(requests_per_second)
        self.moves: deque[Move] = deque(maxlen=MOVES_MAX)
        self._rate = RateLimit(requests_per_second, start, found.rate or None)
        self._in_flight = InFlightLimit(concurrency, found.in_flight)
        self._authority = Authority()

    @property
    def in_flight(self) -> int:
        return self._in_flight.current

    @property
    def quiet_until(self) -> float:
        return self._authority.quiet_until

    @property
    def found(self) -> Found:
        return Found(self._rate.estimate.known, int(self._in_flight.limit) if self._in_flight.is_found else None)

    def rate(self, now: float) -> float:
        return min(self._wanted(now), self.requests_per_second)

    def interval_s(self, now: float) -> float:
        return 1 / self._wanted(now)

    def learn(self, signal: Signal) -> None:
        self.moves.extend(move for move in (self._learn_rate(signal), self._in_flight.finished(signal)) if move)
        for silence in self._authority.obey(signal):
            self._rate.silent(*silence)

    def to_json(self) -> dict[str, Any]:
        return asdict(self.found)

    def _wanted(self, now: float) -> float:
        return min(self._rate.wanted(now), self._authority.rate_max(now))

    def _learn_rate(self, signal: Signal) -> Move | None:
        if signal.throttled:
            asked_s = signal.retry_after_s
            silent_until = None if asked_s is None else max(self.quiet_until, signal.finished_at + asked_s)
            return self._rate.refused(signal.started_at, signal.finished_at, signal.in_flight, silent_until)
        if not signal.failed:
            return self._rate.accepted(signal.started_at, signal.finished_at)
        self._rate.admitted(signal.started_at, signal.finished_at)
        return None
