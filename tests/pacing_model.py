"""A discrete-event model of a server and of the turnstile before it: pacing is judged without a socket or a clock.

A request that starts travels to the server, is admitted or refused there, waits for one of the server's places, is
served, and travels back, when the pacer learns of it. Networks jitter and services vary (log-normally), all by a seed.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

from engine.api.headers import Quota
from engine.pacing.learned.pacer import Pacer
from engine.pacing.limiter import Limiter, Signal
from engine.pacing.refusals import QuickRefusals
from engine.pacing.turns import Pace


class Limit(Protocol):
    """Whether a server admits a request that arrives now."""

    def admits(self, now: float) -> bool:
        """Count a request that arrives `now`; False if it is refused."""
        ...

    def remaining(self, now: float) -> Quota:
        """What a `RateLimit` header would say."""
        ...


class Unlimited:
    """Admits everything."""

    def admits(self, now: float) -> bool:
        return True

    def remaining(self, now: float) -> Quota:
        return Quota(1_000_000, 1.0)


class Bucket:
    """A bucket of tokens, `burst` large, full at first; `rate` tokens a second, which may change over time."""

    def __init__(self, rate: float | Callable[[float], float], burst: float = 1.0) -> None:
        self._rate = rate if callable(rate) else lambda _now: rate
        self._burst = self._tokens = burst
        self._last = 0.0

    def admits(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._last) * self._rate(now))
        self._last = now
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

    def remaining(self, now: float) -> Quota:
        return Quota(int(self._tokens), (self._burst - self._tokens) / self._rate(now))


class Windows:
    """`rate` requests a second, counted in windows of `window_s` by its clock."""

    def __init__(self, rate: float, window_s: float = 1.0, offset_s: float = 0.37) -> None:
        self._allowed = rate * window_s
        self._window_s = window_s
        self._offset_s = offset_s
        self._window = -1
        self._taken = 0

    def admits(self, now: float) -> bool:
        window = int((now + self._offset_s) / self._window_s)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self._allowed:
            return False
        self._taken += 1
        return True

    def remaining(self, now: float) -> Quota:
        passed_s = (now + self._offset_s) % self._window_s
        return Quota(int(self._allowed - self._taken), self._window_s - passed_s)


class StickTable:
    """As haproxy's `sc_http_req_rate(10s) gt N`: counts all requests of the last seconds, also those it refuses."""

    def __init__(self, rate: float, seconds: float = 10.0) -> None:
        self._allowed = rate * seconds
        self._seconds = seconds
        self._arrived: deque[float] = deque()

    def admits(self, now: float) -> bool:
        self._arrived.append(now)
        while self._arrived[0] <= now - self._seconds:
            self._arrived.popleft()
        return len(self._arrived) <= self._allowed

    def remaining(self, now: float) -> Quota:
        return Quota(max(0, int(self._allowed) - len(self._arrived)), self._seconds)


@dataclass
class Server:
    """What a request meets: a limit, places, time to serve."""

    limit: Limit = field(default_factory=Unlimited)
    places: int | None = None
    """Requests served at once; more of them wait. None: no bound."""
    service_s: float = 0.15
    spread: float = 0.1
    """Sigma of the log-normal time to serve."""
    network_s: float = 0.05
    """There and back, half of it each way, 20 % more or less."""
    refusal_s: float = 0.0
    """What it takes to refuse, besides the network."""
    retry_after_s: float | None = None
    refuses_with_503: bool = False
    """As gateways do that mean "too fast" and say "out of service"."""
    thrashes: bool = False
    """Whether serving more than `places` takes everybody longer, in proportion."""
    share_503: float = 0.0
    share_429: float = 0.0
    """Refused at random, whatever the rate."""
    down: tuple[float, float] = (inf, inf)
    """From when to when nothing but 503 comes back."""
    tells: bool = False
    """Whether replies have `RateLimit` headers."""


@dataclass
class Run:
    """What happened."""

    pacer: Limiter
    done: list[float] = field(default_factory=list)
    """When the successful requests ended."""
    refusals: list[float] = field(default_factory=list)
    """When refusals came back."""
    sent: int = 0
    failed: int = 0
    limits: list[tuple[float, float, int]] = field(default_factory=list)
    """Time, rate and in-flight limit at every reply."""

    @property
    def refused(self) -> int:
        return len(self.refusals)

    @property
    def refused_share(self) -> float:
        return self.refused / self.sent

    def refused_share_of_first(self, successes: int) -> float:
        """The share of refusals until so many requests were successful."""
        refused = sum(at <= self.done[successes - 1] for at in self.refusals)
        return refused / (refused + successes)

    @property
    def took_s(self) -> float:
        return self.done[-1]

    def rate_between(self, start: float, end: float) -> float:
        """Successes a second."""
        return sum(start <= t < end for t in self.done) / (end - start)

    def warm_rate(self, skip: int) -> float:
        """Successes a second after the first `skip` ones."""
        return (len(self.done) - 1 - skip) / (self.done[-1] - self.done[skip])


class Model:
    """Runs `requests` through a pacer against a server; refused and failed ones are sent again."""

    def __init__(
        self, server: Server, pacer: Limiter, requests: int, *, seed: int = 0, source_rate: float = inf
    ) -> None:
        self._server = server
        self._pacer = pacer
        self._todo = requests
        self._dice = random.Random(seed)
        self._source_rate = source_rate
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._busy_until: list[float] = [0.0] * (server.places or 0)
        self._at_server = 0
        self._in_flight = 0
        self._tickets = 0
        self._pace = Pace()
        self._quick_refusals = QuickRefusals()
        self._allowance, self._allowance_at = pacer.burst, 0.0
        self.now = 0.0
        self.run = Run(pacer)

    def play(self) -> Run:
        """Run to the end."""
        while self._todo or self._events:
            start = self._next_start()
            if start is not None and (not self._events or start <= self._events[0][0]):
                self.now = max(self.now, start)
                self._start()
            else:
                self.now, _, happen = heapq.heappop(self._events)
                happen()
        return self.run

    def _next_start(self) -> float | None:
        if not self._todo or self._in_flight >= self._pacer.in_flight:
            return None
        pacer = self._pacer
        self._fill_allowance()
        paid_at = self.now + max(0.0, 1 - self._allowance - 1e-9) / pacer.requests_per_second
        at = max(self.now, self._pace.due(self.now, pacer.interval_s(self.now)), paid_at, pacer.quiet_until)
        return max(at, self.run.sent / self._source_rate)

    def _fill_allowance(self) -> None:
        """What the ceiling allows, as the turnstile's limiter counts it."""
        passed_s, self._allowance_at = self.now - self._allowance_at, self.now
        self._allowance = min(self._pacer.burst, self._allowance + passed_s * self._pacer.requests_per_second)

    def _start(self) -> None:
        started_at = self.now
        self._fill_allowance()
        self._allowance -= 1
        self._pace.started(self.now, self._pacer.interval_s(self.now))
        self._in_flight += 1
        self._todo -= 1
        self.run.sent += 1
        in_flight = self._in_flight
        self._after(self._half_way_s(), lambda: self._arrive(started_at, in_flight))

    def _arrive(self, started_at: float, in_flight: int) -> None:
        server = self._server
        throttled = not server.limit.admits(self.now) or 0 < server.share_429 > self._dice.random()
        failed = server.down[0] <= self.now < server.down[1] or self._dice.random() < server.share_503
        self._at_server += 1
        takes_s = server.refusal_s if throttled else 0.0 if failed and server.down[0] < inf else self._serve_s()
        quota = server.limit.remaining(self.now) if server.tells else None
        self._after(
            takes_s + self._half_way_s(),
            lambda: self._end(started_at, in_flight, throttled, failed and not throttled, quota),
        )

    def _serve_s(self) -> float:
        """How long it takes to be served, waiting for a place included."""
        server = self._server
        takes_s = server.service_s * self._dice.lognormvariate(0, server.spread)
        if server.places is None:
            return takes_s
        if server.thrashes:
            takes_s *= max(1.0, self._at_server / server.places)
        place = min(range(server.places), key=self._busy_until.__getitem__)
        self._busy_until[place] = max(self.now, self._busy_until[place]) + takes_s
        return self._busy_until[place] - self.now

    def _end(self, started_at: float, in_flight: int, throttled: bool, failed: bool, quota: Quota | None) -> None:
        self._in_flight -= 1
        self._at_server -= 1
        run = self.run
        if throttled:
            run.refusals.append(self.now)
        run.failed += failed
        if throttled or failed:
            self._todo += 1
        else:
            run.done.append(self.now)
        understood = self._is_understood(started_at, in_flight, throttled, failed)
        self._pacer.learn(
            Signal(
                started_at,
                self.now,
                10_000,
                in_flight,
                throttled=throttled and understood,
                failed=failed or (throttled and not understood),
                retry_after_s=self._server.retry_after_s if throttled else None,
                quota=quota,
            )
        )
        run.limits.append((self.now, self._pacer.rate(self.now), self._pacer.in_flight))

    def _is_understood(self, started_at: float, in_flight: int, throttled: bool, failed: bool) -> bool:
        """Whether the reply says whether the rate is to blame, or what came before it tells."""
        if not self._server.refuses_with_503:
            return True
        if throttled:
            return self._quick_refusals.refused(started_at, self.now, in_flight)
        if not failed:
            self._quick_refusals.succeeded(started_at, self.now)
        return True

    def _half_way_s(self) -> float:
        return self._server.network_s / 2 * self._dice.uniform(0.8, 1.2)

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        self._tickets += 1
        heapq.heappush(self._events, (self.now + seconds, self._tickets, happen))


def play(
    server: Server,
    requests: int = 400,
    *,
    seed: int = 0,
    requests_per_second: float = 1000.0,
    concurrency: int = 200,
    learned: Mapping[str, Any] | None = None,
    source_rate: float = inf,
) -> Run:
    """Run `requests` with a new pacer against `server`, ceilings far too high unless given."""
    pacer = Pacer(requests_per_second=requests_per_second, concurrency=concurrency, learned=learned)
    return Model(server, pacer, requests, seed=seed, source_rate=source_rate).play()
