"""What a run looks like from outside: latencies, a timeline, and the snapshots that progress displays show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.api import NoReply, Reply
from engine.pacing import Limiter, Signal, Turnstile
from engine.report import LIMIT_MOVES_MAX, LatencyHistogram, LimitMove, Pacing, Sample, TimelineRecorder
from engine.run.limit_words import move_words

SAMPLE_S = 1.0


@dataclass(slots=True)
class Telemetry:
    """Collects over all processes of a run; `earlier` is what `to_json` gave at the end of the process before."""

    earlier: dict[str, Any] = field(default_factory=dict)
    latencies: LatencyHistogram = field(default_factory=LatencyHistogram)
    statuses: Counter[str] = field(default_factory=Counter)
    timeline: TimelineRecorder = field(default_factory=TimelineRecorder)
    moves: list[LimitMove] = field(default_factory=list)
    quiet_s: float = 0.0
    """Of the earlier processes, as are the next two."""
    bytes_sent: int = 0
    retries: int = 0
    _interval: _Interval = field(default_factory=lambda: _Interval())
    _updated_before: int = 0

    def __post_init__(self) -> None:
        earlier = self.earlier
        self.latencies = LatencyHistogram(
            {int(bucket): count for bucket, count in earlier.get("latency_counts", {}).items()},
            earlier.get("latency_sum_ms", 0.0),
            earlier.get("latency_max_ms", 0.0),
        )
        self.statuses.update(earlier.get("statuses", {}))
        self.timeline = TimelineRecorder(Sample(**sample) for sample in earlier.get("timeline", []))
        self.moves = [LimitMove(**move) for move in earlier.get("moves", [])]
        self.quiet_s = earlier.get("quiet_s", 0.0)
        self.bytes_sent = earlier.get("bytes_sent", 0)
        self.retries = earlier.get("retries", 0)

    def observe(self, signal: Signal, reply: Reply | NoReply) -> None:
        """Take note of a finished attempt."""
        latency_ms = (signal.finished_at - signal.started_at) * 1000
        self.latencies.observe(latency_ms)
        self.statuses[str(reply.status) if isinstance(reply, Reply) else "none"] += 1
        self._interval.requests += 1
        self._interval.throttled += signal.throttled
        self._interval.latency_sum_ms += latency_ms

    def sample(
        self, now: float, t_s: float, updated: int, retries: int, turnstile: Turnstile, limiter: Limiter
    ) -> None:
        """Close the interval that ends `t_s` seconds of work after the start of the run."""
        interval, self._interval = self._interval, _Interval(retries_before=retries)
        mean_ms = round(interval.latency_sum_ms / interval.requests, 1) if interval.requests else None
        self.timeline.add(
            Sample(
                t_s=round(t_s, 2),
                updated=updated - self._updated_before,
                requests=interval.requests,
                throttled=interval.throttled,
                retried=retries - interval.retries_before,
                in_flight=turnstile.in_flight,
                rate_limit=round(limiter.rate(now), 2),
                latency_ms=mean_ms,
            )
        )
        self._updated_before = updated

    def start_from(self, updated: int) -> None:
        """Say how many records earlier processes had updated, so that they don't count as this one's."""
        self._updated_before = updated

    def to_json(self, pacing: Pacing, *, quiet_s: float, bytes_sent: int, retries: int) -> dict[str, Any]:
        """Return what the next process of the run goes on from; the arguments are totals over all processes."""
        return {
            "latency_counts": {str(bucket): count for bucket, count in self.latencies.counts.items()},
            "latency_sum_ms": self.latencies.sum_ms,
            "latency_max_ms": self.latencies.max_ms,
            "statuses": dict(self.statuses),
            "timeline": [asdict(sample) for sample in self.timeline.samples],
            "moves": [asdict(move) for move in pacing.moves],
            "quiet_s": quiet_s,
            "bytes_sent": bytes_sent,
            "retries": retries,
        }

    def pacing(self, limiter: Limiter, to_worked_s: Callable[[float], float]) -> Pacing:
        """Return the limits that were found, and how; `to_worked_s` turns the clock into seconds of work."""
        found = limiter.found
        return Pacing(
            rate_limit=round(found.rate, 2) if found.rate else None,
            in_flight_limit=found.in_flight,
            moves=self._all_moves(limiter, to_worked_s),
        )

    def _all_moves(self, limiter: Limiter, to_worked_s: Callable[[float], float]) -> list[LimitMove]:
        latest = [LimitMove(round(to_worked_s(move.at), 2), *move_words(move)) for move in limiter.moves]
        return [*self.moves, *latest][-LIMIT_MOVES_MAX:]


@dataclass(slots=True)
class _Interval:
    requests: int = 0
    throttled: int = 0
    latency_sum_ms: float = 0.0
    retries_before: int = 0
