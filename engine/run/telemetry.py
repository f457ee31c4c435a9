"""What a run looks like from outside, over all its processes: latencies, a timeline, moves of the limits, totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from msgspec import Struct, convert, field

from engine.api import Reply
from engine.pacing import Found, Limit, Move, Why
from engine.pipeline import Attempt, Traffic
from engine.report import (
    ISOLATING,
    LATE_COPIES,
    LIMIT_MOVES_MAX,
    OUTAGE,
    SILENCE,
    STOPPING,
    Holdup,
    HoldupRecorder,
    LatencyHistogram,
    LimitMove,
    Pacing,
    ProcessStart,
    Sample,
    TimelineRecorder,
    bucket_of,
    iso,
)
from engine.run.clock import WorkClock

SAMPLE_S = 1.0

OUTAGE_FAILURES = 2
OUTAGE_S = 2.0
"""An outage is told of once nothing has succeeded for so long, and so many requests have failed meanwhile."""

_T = TypeVar("_T")

WHY = {
    Why.NEVER_REFUSED: "no refusal so far",
    Why.NOT_REFUSED: "no refusal for {:.0f} s",
    Why.REFUSED: "refused (429) at {:.3g}/s, while {:.3g}/s were accepted",
    Why.REFUSED_ANYHOW: "refused (429) at {:.3g}/s like before: {:.1%} are refused whatever the rate",
    Why.FAILURES: "requests fail or time out",
    Why.FAILURES_OVER: "requests succeed again",
    Why.CONFLICTS: "the server retried {:.0%} of the records because of version conflicts",
    Why.LATENCY_ROSE: "latency rose from {:.2g} s to {:.2g} s",
    Why.LATENCY_CALM: "latency stays at its best, {:.2g} s",
}


class Telemetry:
    """Listens to all attempts of `traffic`, and goes on from `earlier`, which `to_json` gave in the process before.

    `bytes_sent` tells how many bytes of request bodies this process has sent; `waited_s` is how long it has waited
    before it began to work.
    """

    def __init__(
        self,
        earlier: Mapping[str, Any],
        *,
        traffic: Traffic,
        clock: WorkClock,
        bytes_sent: Callable[[], int],
        waited_s: float = 0.0,
    ) -> None:
        self.latencies = latencies_in(earlier)
        self.statuses: Counter[str] = Counter(earlier.get("statuses", {}))
        self.timeline = TimelineRecorder(told_values(earlier, "timeline", Sample))
        self.holdups = HoldupRecorder(told_values(earlier, "holdups", Holdup))
        this = ProcessStart(round(clock.before_s, 2), iso(clock.began_at), round(waited_s, 2))
        self.processes = [*told_values(earlier, "processes", ProcessStart), this]
        """When each process of the run began, this one the last."""
        self._earlier = earlier
        self._traffic = traffic
        self._clock = clock
        self._bytes_sent = bytes_sent
        self._interval = _Interval()
        self._look = _Look(clock.now(), traffic.requests.split)
        traffic.observers.append(self.observe)

    def observe(self, attempt: Attempt) -> None:
        """Take note of a finished attempt."""
        signal, reply = attempt.signal, attempt.answer.reply
        self.statuses[str(reply.status) if isinstance(reply, Reply) else "none"] += 1
        self._interval.requests += 1
        self._interval.throttled += signal.throttled
        if attempt.is_answered:
            latency_ms = signal.latency_s * 1000
            self.latencies.observe(latency_ms)
            self._interval.latency_sum_ms += latency_ms
            self._interval.latencies[bucket_of(latency_ms)] += 1
        self._interval.in_flight_max = max(self._interval.in_flight_max, attempt.in_flight)

    def begin(self, updated: int) -> None:
        """Begin an interval, with so many records updated before it."""
        self._interval = _Interval(
            updated_before=updated,
            retries_before=self._traffic.availability.retries,
            sent_before=self._traffic.requests.sent,
        )

    def sample(self, updated: int) -> None:
        """Close the interval that ends now, with so many records updated by now; begin the next."""
        interval, traffic = self._interval, self._traffic
        answered = interval.latencies.total()
        self.timeline.add(
            Sample(
                t_s=round(self._clock.worked_s, 2),
                updated=updated - interval.updated_before,
                requests=interval.requests,
                throttled=interval.throttled,
                retried=traffic.availability.retries - interval.retries_before,
                in_flight=max(interval.in_flight_max, traffic.turnstile.in_flight),
                rate_limit=round(traffic.limiter.rate(self._clock.now()), 2),
                latency_ms=round(interval.latency_sum_ms / answered, 1) if answered else None,
                sent=traffic.requests.sent - interval.sent_before,
                latencies=dict(sorted(interval.latencies.items())),
            )
        )
        self.begin(updated)

    def look(self, *, stopping: bool) -> None:
        """See what holds the run up now; to be called every moment."""
        clock, traffic, before = self._clock, self._traffic, self._look
        self._look = _Look(clock.now(), traffic.requests.split)
        now, quiet_until = self._look.at, traffic.limiter.quiet_until
        outage_s = traffic.availability.outage_s
        is_outage = traffic.availability.breaker.failures >= OUTAGE_FAILURES and outage_s >= OUTAGE_S
        since = {
            OUTAGE: now - outage_s if is_outage else None,
            SILENCE: before.at if quiet_until > before.at else None,
            ISOLATING: before.at if self._look.split > before.split else None,
            LATE_COPIES: before.at if traffic.late_copies.held_back and not stopping else None,
            STOPPING: before.at if stopping else None,
        }
        for kind, at in since.items():
            if at is not None:
                until = min(now, quiet_until) if kind == SILENCE else now
                self.holdups.saw(kind, max(clock.worked_at(at), 0.0), clock.worked_at(until))

    @property
    def throttled_s(self) -> float:
        """Seconds that the run held back because the API said so."""
        return float(self._earlier.get("quiet_s", 0.0)) + self._traffic.turnstile.quiet_s

    @property
    def retries(self) -> int:
        """Requests that repeated an earlier one."""
        return int(self._earlier.get("retries", 0)) + self._traffic.availability.retries

    @property
    def bytes_sent(self) -> int:
        """Bytes of all request bodies."""
        return int(self._earlier.get("bytes_sent", 0)) + self._bytes_sent()

    @property
    def pacing(self) -> Pacing:
        """The limits that were found, and how."""
        limiter, worked_at = self._traffic.limiter, self._clock.worked_at
        earlier = [LimitMove(**move) for move in self._earlier.get("moves", [])]
        latest = [LimitMove(round(worked_at(move.at), 2), *move_words(move)) for move in limiter.moves]
        return Pacing(
            rate_limit=round(limiter.found.rate, 2) if limiter.found.rate else None,
            in_flight_limit=limiter.found.in_flight,
            moves=[*earlier, *latest][-LIMIT_MOVES_MAX:],
            ceiling=limiter.requests_per_second,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the next process of the run goes on from."""
        return {
            "latency_counts": {str(bucket): count for bucket, count in self.latencies.counts.items()},
            "latency_sum_ms": self.latencies.sum_ms,
            "latency_max_ms": self.latencies.max_ms,
            "statuses": dict(self.statuses),
            "timeline": [asdict(sample) for sample in self.timeline.samples],
            "holdups": [asdict(holdup) for holdup in self.holdups.holdups],
            "processes": [asdict(process) for process in self.processes],
            "moves": [asdict(move) for move in self.pacing.moves],
            "quiet_s": self.throttled_s,
            "bytes_sent": self.bytes_sent,
            "retries": self.retries,
        }


class _Interval(Struct):
    requests: int = 0
    throttled: int = 0
    latency_sum_ms: float = 0.0
    latencies: Counter[int] = field(default_factory=Counter)
    in_flight_max: int = 0
    updated_before: int = 0
    retries_before: int = 0
    sent_before: int = 0


class _Look(Struct, frozen=True):
    """When somebody looked last, and how many requests had been sent by then to isolate records."""

    at: float
    split: int


def told_values(told: Mapping[str, Any], name: str, kind: type[_T]) -> list[_T]:
    """Return the values of this kind that `Telemetry.to_json` gave under `name`; none if it gave none."""
    return convert(told.get(name, []), list[kind], str_keys=True)  # type: ignore[valid-type]


def latencies_in(told: Mapping[str, Any]) -> LatencyHistogram:
    """Return the latencies in what `Telemetry.to_json` gave."""
    return LatencyHistogram(
        {int(bucket): count for bucket, count in told.get("latency_counts", {}).items()},
        told.get("latency_sum_ms", 0.0),
        told.get("latency_max_ms", 0.0),
    )


def move_words(move: Move) -> tuple[str, str]:
    """Return what the limit is since the move, and why."""
    what = f"{move.after:.3g}/s" if move.limit is Limit.RATE else f"{move.after:.0f} in flight"
    return what, WHY[move.why].format(*move.figures)


def found_words(found: Found) -> str | None:
    """Return what was found, or None if the ceilings are all there is."""
    parts = []
    if found.rate is not None:
        parts.append(f"{found.rate:.3g} requests/s")
    if found.in_flight is not None:
        parts.append(f"{found.in_flight} in flight")
    return ", ".join(parts) or None
