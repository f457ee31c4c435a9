"""A run over time: samples in bounded space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TIMELINE_SAMPLES_MAX = 600
"""The most samples a timeline keeps: enough for a picture, little enough to mail."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened in one interval of a run, which ends `t_s` seconds of work after the start of the run.

    `updated`, `requests`, `throttled` and `retried` count what happened in the interval (`throttled` requests are among
    the `requests`). `in_flight` is the requests in flight and `rate_limit` the requests a second allowed at its end;
    `latency_ms` the mean over the interval's requests, or None without any.
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
        self._samples: list[Sample] = []
        self._resolution_s = 0.0
        for sample in earlier:
            self.add(sample)

    @property
    def samples(self) -> list[Sample]:
        """The samples so far, at most `TIMELINE_SAMPLES_MAX`, in order of time."""
        return list(self._samples)

    def add(self, sample: Sample) -> None:
        """Add the interval that ends now."""
        self._append(sample)
        if len(self._samples) > TIMELINE_SAMPLES_MAX:
            fine, self._samples = self._samples, []
            self._resolution_s = 2 * fine[-1].t_s / TIMELINE_SAMPLES_MAX
            for each in fine:
                self._append(each)

    def _append(self, sample: Sample) -> None:
        samples = self._samples
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
