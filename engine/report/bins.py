"""The timeline of a run in columns of equal width, as the panels of the report page draw it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor, inf
from statistics import median

from msgspec import Struct, field

from engine.report.measured import Sample, quantile_ms

BINS_MAX = 150
"""The most columns in a panel; more would be finer than a screen shows."""

GAP_FACTOR = 5
"""An interval so many times longer than the median one was not observed but for its end: a process had been killed."""

GAP_S_MIN = 2.0
"""None shorter than this was unobserved: in a run of a few moments, every interval may be a short one."""

CARRIED_S, CARRIED_MAX = 0.6, 6.0
"""As many requests may start early as are allowed in so many seconds, and no more than so many; one always may."""

_BIN_WIDTHS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


class Bin(Struct):
    """What happened in one column of a panel; `covered_s` of it were observed. `rate_limit` is the highest in it."""

    covered_s: float = 0.0
    updated: float = 0.0
    sent: float = 0.0
    throttled: int = 0
    retried: int = 0
    in_flight: int = 0
    rate_limit: float | None = None
    latencies: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    """How many answered requests took how long, in the buckets of a `LatencyHistogram`."""
    means: list[tuple[float, float]] = field(default_factory=list)
    """Means over some requests each, in milliseconds, and how many they were: what older reports hold."""

    def latency_ms(self, share: float) -> float | None:
        """The latency that `share` (0 to 1) of the answered requests stayed within; None without any."""
        return quantile_ms(self.latencies, share) if self.latencies else None

    @property
    def mean_ms(self) -> float | None:
        """The mean over the requests of the bin, as older reports hold it; None without any."""
        weight = sum(requests for _, requests in self.means)
        return sum(ms * requests for ms, requests in self.means) / weight if weight else None

    def per_s(self, count: float) -> float | None:
        """Return `count` as a rate over the time that was observed; None if none was."""
        return count / self.covered_s if self.covered_s else None


class _Interval(Struct, frozen=True):
    """What was observed from `start_s` on; `sent` are its requests, of which `rate_limit` a second were allowed."""

    start_s: float
    sample: Sample
    rate_limit: float | None
    sent: float

    @property
    def length_s(self) -> float:
        return self.sample.t_s - self.start_s


def bins(timeline: Sequence[Sample], width_s: float) -> list[Bin]:
    """Return the timeline in columns of `width_s` seconds.

    What flows (records, requests) is shared out evenly where an interval crosses a border; single events (throttled,
    retried) stay whole, in the column in which their interval ends. What was not observed is covered by no column.
    """
    columns = [Bin() for _ in range(max(ceil(timeline[-1].t_s / width_s), 1))] if timeline else []
    for interval in _intervals(timeline):
        start_s, end_s = interval.start_s, interval.sample.t_s
        first = min(floor(start_s / width_s), len(columns) - 1)
        last = max(min(ceil(end_s / width_s), len(columns)) - 1, first)
        for index in range(first, last + 1):
            overlap_s = min(end_s, (index + 1) * width_s) - max(start_s, index * width_s)
            share = overlap_s / interval.length_s if interval.length_s > 0 else 1.0
            _fill(columns[index], interval, share, max(overlap_s, 0.0))
        columns[last].throttled += interval.sample.throttled
        columns[last].retried += interval.sample.retried
    return columns


def bin_width_s(duration_s: float) -> float:
    """Return a width that cuts `duration_s` into at most `BINS_MAX` columns: a round one, and no finer than needed."""
    wanted = duration_s / BINS_MAX
    return float(next((width for width in _BIN_WIDTHS_S if width >= wanted), ceil(wanted / 3600) * 3600))


def _intervals(timeline: Sequence[Sample]) -> list[_Interval]:
    """Return each sample with the moment from which on it was observed, and its requests without what was early."""
    ends_s = [0.0, *(sample.t_s for sample in timeline)]
    usual_s = median(end_s - start_s for start_s, end_s in pairwise(ends_s)) if timeline else 0.0
    longest_s = max(GAP_FACTOR * usual_s, GAP_S_MIN)
    starts_s = [
        start_s if sample.t_s - start_s <= longest_s else sample.t_s - usual_s
        for start_s, sample in zip(ends_s, timeline, strict=False)
    ]
    limits, before = [], None
    for sample in timeline:  # it moved somewhere between two ends: the higher one held for a part of the time at least
        known = [limit for limit in (before, sample.rate_limit) if limit is not None]
        limits.append(max(known, default=None))
        before = sample.rate_limit
    room = [
        inf if limit is None else limit * (sample.t_s - start_s)
        for start_s, sample, limit in zip(starts_s, timeline, limits, strict=True)
    ]
    carried = [max(1.0, min(CARRIED_MAX, CARRIED_S * (limit or 0.0))) for limit in limits]
    sent = evened([sample.sent_or_ended for sample in timeline], room, carried)
    return [_Interval(*each) for each in zip(starts_s, timeline, limits, sent, strict=True)]


def evened(sent: Sequence[float], room: Sequence[float], carried_max: Sequence[float]) -> list[float]:
    """Return how many requests were sent in each interval, without the jitter of pacing and counting.

    Ten requests evenly spaced over a second are eleven if the interval begins and ends with one, and who was late may
    catch up. So up to `carried_max` of those beyond the `room` of an interval are taken to its neighbours, first to the
    next; what is beyond that is not jitter, and stays. None is lost.
    """
    found, carried = [], 0.0
    for count, most, carried_most in zip(sent, room, carried_max, strict=True):
        kept = min(count + carried, most)
        kept += max(count + carried - kept - carried_most, 0.0)
        carried = count + carried - kept
        found.append(kept)
    for index in reversed(range(len(found))):
        if carried <= 0:
            break
        back = min(max(room[index] - found[index], 0.0), carried)
        found[index], carried = found[index] + back, carried - back
    if found:
        found[-1] += carried
    return found


def _fill(column: Bin, interval: _Interval, share: float, overlap_s: float) -> None:
    sample = interval.sample
    column.covered_s += overlap_s
    column.updated += sample.updated * share
    column.sent += interval.sent * share
    column.in_flight = max(column.in_flight, sample.in_flight)
    known = [limit for limit in (column.rate_limit, interval.rate_limit) if limit is not None]
    column.rate_limit = max(known, default=None)
    for bucket, answered in sample.latencies.items():
        if share > 0:
            column.latencies[bucket] += answered * share
    if sample.latency_ms is not None and sample.requests:
        column.means.append((sample.latency_ms, sample.requests * share))
