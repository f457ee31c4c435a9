"""What is measured of a run, in bounded space: latencies in buckets that add up, and samples over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, log2

_BUCKETS_PER_OCTAVE = 8
_BUCKETS_MAX = 20 * _BUCKETS_PER_OCTAVE  # 1 ms to 2^20 ms, about 17 minutes

TIMELINE_SAMPLES_MAX = 600
"""The most samples a timeline keeps: enough for a picture, little enough to mail."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the first byte of an answered request to the last byte of its reply.

    Each attempt is a request. What was refused for its rate, failed, or stayed without a reply was not answered: it
    says nothing about how long an answer takes, and would only make the API look quicker than it is.
    """

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(slots=True)
class LatencyHistogram:
    """Latencies in 160 buckets, each 9 % wider than the one before, so a quantile is off by 5 % at most.

    Bucket i holds latencies above 2^((i-1)/8) ms and up to 2^(i/8) ms; the first and the last hold the rest. Histograms
    add up, over workers and over the processes of a run.
    """

    counts: dict[int, int] = field(default_factory=dict)
    sum_ms: float = 0.0
    max_ms: float = 0.0

    def observe(self, latency_ms: float) -> None:
        """Count one latency."""
        bucket = bucket_of(latency_ms)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.sum_ms += latency_ms
        self.max_ms = max(self.max_ms, latency_ms)

    def add(self, other: LatencyHistogram) -> None:
        """Count everything that `other` counted."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts.values())

    def quantile_ms(self, share: float) -> float:
        """Return the latency that `share` (0 to 1) of all stay within; 0 when none was counted."""
        return min(quantile_ms(self.counts, share), self.max_ms) if self.counts else 0.0

    def latency(self) -> Latency | None:
        """Return the quantiles that a report shows, or None when nothing was counted."""
        if not self.counts:
            return None
        p50, p95, p99 = (round(self.quantile_ms(share), 1) for share in (0.50, 0.95, 0.99))
        return Latency(p50, p95, p99, round(self.max_ms, 1))

    def cumulative(self, octaves: Iterable[int]) -> list[tuple[float, int]]:
        """Return (upper bound in seconds, count within it) for the bounds 2^octave ms, which are exact edges."""
        return [
            (2**octave / 1000, sum(n for bucket, n in self.counts.items() if bucket <= octave * _BUCKETS_PER_OCTAVE))
            for octave in octaves
        ]


def bucket_of(latency_ms: float) -> int:
    """Return the number of the bucket that a latency falls into."""
    return min(max(ceil(log2(max(latency_ms, 1.0)) * _BUCKETS_PER_OCTAVE), 0), _BUCKETS_MAX)


def quantile_ms(counts: Mapping[int, float], share: float) -> float:
    """Return the middle of the bucket that `share` (0 to 1) of the latencies in `counts`, at least one, stay within."""
    wanted, seen, bucket = share * sum(counts.values()), 0.0, 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            break
    return float(2 ** ((bucket - 0.5) / _BUCKETS_PER_OCTAVE))


@dataclass(frozen=True, slots=True)
class ProcessStart:
    """A process of a run began to work: at which moment (ISO 8601, UTC), and after how many seconds of work."""

    t_s: float
    at: str
    waited_s: float = 0.0
    """So long it had waited before it, for the end of a silence that the API had asked for."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened in one interval of a run, which ends `t_s` seconds of work after the start of the run.

    `updated`, `requests`, `throttled` and `retried` count what happened in the interval: records that became durable,
    requests that ended (`throttled` ones among them), and requests that were sent again. `in_flight` is the most
    requests seen in flight; `rate_limit` the requests a second allowed at its end; `latency_ms` the mean over those
    that were answered, or None without any.
    """

    t_s: float
    updated: int = 0
    requests: int = 0
    throttled: int = 0
    retried: int = 0
    in_flight: int = 0
    rate_limit: float | None = None
    latency_ms: float | None = None
    sent: int | None = None
    """Requests that were sent in the interval, whenever they ended; None where only those that ended were counted."""
    latencies: dict[int, int] = field(default_factory=dict)
    """How many answered requests took how long, in the buckets of `LatencyHistogram`."""

    @property
    def sent_or_ended(self) -> int:
        """The requests that were sent, or, where those were not counted, the ones that ended."""
        return self.requests if self.sent is None else self.sent

    def added(self, other: Sample, *, t_s: float, in_flight: int, rate_limit: float | None) -> Sample:
        """Return what happened in both intervals, as one that ends at `t_s`; the last three are no sums."""
        timed = [(s.latency_ms, sum(s.latencies.values()) or s.requests or 1) for s in (self, other) if s.latency_ms]
        weight = sum(answered for _, answered in timed)
        both = (self.latencies, other.latencies)
        return Sample(
            t_s=t_s,
            updated=self.updated + other.updated,
            requests=self.requests + other.requests,
            throttled=self.throttled + other.throttled,
            retried=self.retried + other.retried,
            in_flight=in_flight,
            rate_limit=rate_limit,
            latency_ms=round(sum(ms * n for ms, n in timed) / weight, 1) if weight else None,
            sent=None if self.sent is None and other.sent is None else self.sent_or_ended + other.sent_or_ended,
            latencies={bucket: sum(each.get(bucket, 0) for each in both) for bucket in sorted({*both[0], *both[1]})},
        )


class TimelineRecorder:
    """Collects the samples of a run in bounded space: when there are too many, neighbours are merged.

    A resumed run starts with the samples of its earlier processes and goes on from their end.
    """

    def __init__(self, earlier: Iterable[Sample] = ()) -> None:
        self.samples: list[Sample] = []
        """The samples so far, at most `TIMELINE_SAMPLES_MAX`, in order of time."""
        self._resolution_s = 0.0
        for sample in earlier:
            self.add(sample)

    def add(self, sample: Sample) -> None:
        """Add the interval that ends now."""
        self._append(sample)
        if len(self.samples) > TIMELINE_SAMPLES_MAX:
            fine, self.samples = self.samples, []
            self._resolution_s = 2 * fine[-1].t_s / TIMELINE_SAMPLES_MAX
            for each in fine:
                self._append(each)

    def _append(self, sample: Sample) -> None:
        samples = self.samples
        start_s = samples[-2].t_s if len(samples) > 1 else 0.0
        if samples and samples[-1].t_s - start_s < self._resolution_s:
            samples[-1] = _merged(samples[-1], sample)
        else:
            samples.append(sample)


def _merged(first: Sample, second: Sample) -> Sample:
    """Return the interval that `first` and `second`, which follows it, make together."""
    rate_limit = second.rate_limit if second.rate_limit is not None else first.rate_limit
    in_flight = max(first.in_flight, second.in_flight)
    return first.added(second, t_s=second.t_s, in_flight=in_flight, rate_limit=rate_limit)
