"""What is measured of a run, in bounded space: latencies in buckets that add up, and samples over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil, log2

_BUCKETS_PER_OCTAVE = 8
_BUCKETS_MAX = 20 * _BUCKETS_PER_OCTAVE  # 1 ms to 2^20 ms, about 17 minutes

TIMELINE_SAMPLES_MAX = 600
"""The most samples a timeline keeps: enough for a picture, little enough to mail."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the first byte of a request to the last byte of its reply, retries counted as requests."""

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
        bucket = min(max(ceil(log2(max(latency_ms, 1.0)) * _BUCKETS_PER_OCTAVE), 0), _BUCKETS_MAX)
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
        wanted, seen = share * self.count, 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return float(min(2 ** ((bucket - 0.5) / _BUCKETS_PER_OCTAVE), self.max_ms))
        return self.max_ms

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


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened in one interval of a run, which ends `t_s` seconds of work after the start of the run.

    `updated`, `requests`, `throttled` and `retried` count what happened in the interval (`throttled` requests are among
    the `requests`). `in_flight` is the most requests seen in flight; `rate_limit` the requests a second allowed at its
    end; `latency_ms` the mean over the interval's requests, or None without any.
    """

    t_s: float
    updated: int = 0
    requests: int = 0
    throttled: int = 0
    retried: int = 0
    in_flight: int = 0
    rate_limit: float | None = None
    latency_ms: float | None = None


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
    """Return the interval that `first` and `second` make together."""
    timed = [(s.latency_ms, s.requests or 1) for s in (first, second) if s.latency_ms is not None]
    weight = sum(requests for _, requests in timed)
    return Sample(
        t_s=second.t_s,
        updated=first.updated + second.updated,
        requests=first.requests + second.requests,
        throttled=first.throttled + second.throttled,
        retried=first.retried + second.retried,
        in_flight=max(first.in_flight, second.in_flight),
        rate_limit=second.rate_limit if second.rate_limit is not None else first.rate_limit,
        latency_ms=round(sum(ms * n for ms, n in timed) / weight, 1) if weight else None,
    )
