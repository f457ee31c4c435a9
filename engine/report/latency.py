"""Latencies in buckets that add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil, log2


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the first byte of a request to the last byte of its reply, retries counted as requests."""

    p50: float
    p95: float
    p99: float
    max: float


_BUCKETS_PER_OCTAVE = 8
_BUCKETS_MAX = 20 * _BUCKETS_PER_OCTAVE  # 1 ms to 2^20 ms, about 17 minutes


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
