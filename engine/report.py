"""The report: what a run did, as one value that is written at its end and read again by `status` and the next night.

The values know nothing about how they look: `summary.py` and `report_page.py` render them. They hold counts, times, ids
and reasons, never record data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil, log2
from random import Random

import orjson

from engine.accounts import Reason, RecordCounts, RequestCounts
from engine.errors import ExitCode

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"

TIMELINE_SAMPLES_MAX = 600
"""The most samples a timeline keeps: enough for a picture, little enough to mail."""

LIMIT_MOVES_MAX = 200
"""The most moves of the learned limits a report keeps, the latest ones."""


class RunStatus(StrEnum):
    """How a run stands at the end of a process."""

    SUCCEEDED = "succeeded"
    """Every record read was delivered or needed no update."""
    PARTIAL = "partial"
    """Finished, but some records were not accepted."""
    INTERRUPTED = "interrupted"
    """Not finished; the same command resumes it."""
    FAILED = "failed"
    """Stopped for something that a person must look at first."""


def status_of(exit_code: int) -> RunStatus:
    """Return the status that a report with this exit code has."""
    if exit_code == ExitCode.OK:
        return RunStatus.SUCCEEDED
    if exit_code == ExitCode.SOME_NOT_ACCEPTED:
        return RunStatus.PARTIAL
    return RunStatus.INTERRUPTED if exit_code == ExitCode.INTERRUPTED else RunStatus.FAILED


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the first byte of a request to the last byte of its reply, retries counted as requests."""

    p50: float
    p95: float
    p99: float
    max: float


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


@dataclass(frozen=True, slots=True)
class LimitMove:
    """A learned limit moved: when (seconds of work since the start), what it is now, and why it moved."""

    t_s: float
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Pacing:
    """The limits that were learned, as they stood at the end (None: never found), and how they got there."""

    rate_limit: float | None = None
    in_flight_limit: int | None = None
    moves: list[LimitMove] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did, over all its processes. `report.json` is this value; its keys are promised in the README.

    Times are ISO 8601 in UTC with milliseconds and a `Z`; `finished_at` is when the last process of the run ended.
    `duration_s` is the time worked, summed over the processes of the run, without the pauses between them.
    """

    run_id: str
    status: RunStatus
    exit_code: int
    campaign_id: str = ""
    started_at: str = ""
    finished_at: str = ""
    duration_s: float = 0.0
    resumes: int = 0
    records: RecordCounts = field(default_factory=RecordCounts)
    requests: RequestCounts = field(default_factory=RequestCounts)
    reasons: list[Reason] = field(default_factory=list)
    kind: str = "sync"
    """`sync` or `replay`."""
    limit: int | None = None
    """Only so many records were wanted (`--limit`); None when it was all of them."""
    message: str = ""
    """Why it stopped before its end, in one sentence; empty when it did not."""
    source: str = ""
    """What was read, as a label for people."""
    config_path: str = ""
    """The configuration it ran with, for the commands a person types next; empty for a library call."""
    latency_ms: Latency | None = None
    throttled_s: float = 0.0
    """How long the run held back because the API said so, in seconds."""
    bytes_sent: int = 0
    pacing: Pacing = field(default_factory=Pacing)
    timeline: list[Sample] = field(default_factory=list)

    @property
    def not_accepted(self) -> int:
        """Records that need a person: refused here, refused by the API, or left unproven by it."""
        return self.records.invalid + self.records.rejected + self.records.unknown

    @property
    def records_per_s(self) -> float:
        """Records settled by the API for each second worked; 0 when no time passed."""
        return self.records.sent / self.duration_s if self.duration_s > 0 else 0.0


def new_run_id(now: datetime, random: Random) -> str:
    """Return an id for a run that starts `now`, such as `20261123T020000Z-07b3f9`.

    Ids sort by time: the second, then its milliseconds in three hex digits, then three random ones.
    """
    utc = now.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%SZ}-{utc.microsecond // 1000:03x}{random.randrange(16**3):03x}"


def iso(moment: datetime) -> str:
    """Return `moment` in UTC as reports write it, such as `2026-11-23T02:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def to_json(report: Report) -> bytes:
    """Return `report.json`: indented for people, with one line for each sample of the timeline."""
    values = {f.name: getattr(report, f.name) for f in fields(report)}
    values["pacing"] = {
        "rate_limit": report.pacing.rate_limit,
        "in_flight_limit": report.pacing.in_flight_limit,
        "moves": _one_a_line(report.pacing.moves[-LIMIT_MOVES_MAX:]),
    }
    values["reasons"] = [
        Reason(r.outcome, _encodable(r.reason), r.count, [_encodable(i) for i in r.example_ids]) for r in report.reasons
    ]
    values["timeline"] = _one_a_line(report.timeline)
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _encodable(text: str) -> str:
    """Return `text` with `?` for the lone surrogates that an invalid id may hold and JSON cannot."""
    return text.encode("utf-8", "replace").decode()


def _one_a_line(values: Iterable[Sample | LimitMove]) -> orjson.Fragment:
    lines = b",\n    ".join(orjson.dumps(value) for value in values)
    return orjson.Fragment(b"[\n    " + lines + b"\n  ]" if lines else b"[]")


def from_json(data: bytes) -> Report:
    """Read a report that this or another version wrote: unknown keys are ignored, later ones may be missing.

    Raises:
        ValueError: it is not a report; the message says what is wrong.
    """
    import msgspec  # here, because it is slow to import and only needed to read reports

    return msgspec.json.decode(data, type=Report)  # its errors are ValueErrors


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
