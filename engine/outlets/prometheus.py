"""Metrics for Prometheus: a text file for the node exporter's textfile collector, or for an endpoint to serve.

All values are of one run, the latest, so all but the latency histogram are gauges. They hold counts and times only, so
the file may be read by everybody: the collector runs as another user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.report import LatencyHistogram
from engine.state import write_private_file
from engine.values import RecordCounts, RequestCounts, StateFailed

FILE_MODE = 0o644

PREVIOUS_BYTES_MAX = 1_000_000
"""The most of an earlier file that is read to find its last success."""

LATENCY_OCTAVES = range(3, 18)
"""Bucket bounds of the latency histogram: 2^3 ms to 2^17 ms, which is 8 ms to 131 s."""

_LAST_SUCCESS = "bulk_sync_last_success_timestamp_seconds{"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValues:
    """What is exposed, of a run under way or ended.

    `exit_code` and `finished_at_s` are None while the run is under way, `last_success_s` is None when it never
    succeeded; both moments are seconds since 1970. `statuses` counts requests by the HTTP status of their reply, as
    text, with `none` for no reply. Limits are None as long as none was learned.
    """

    campaign_id: str
    records: RecordCounts
    requests: RequestCounts
    duration_s: float
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    statuses: Mapping[str, int] = field(default_factory=dict)
    throttled_s: float = 0.0
    retries: int = 0
    in_flight: int = 0
    rate_limit: float | None = None
    in_flight_limit: int | None = None
    exit_code: int | None = None
    finished_at_s: float | None = None
    last_success_s: float | None = None


def render_metrics(values: MetricValues) -> str:
    """Return the values in the text exposition format of Prometheus."""
    campaign = {"campaign": values.campaign_id}
    results = {name: getattr(values.requests, name) for name in ("succeeded", "throttled", "failed")}
    lines = [
        *_family("records", "Records by outcome.", _by("outcome", values.records.states, campaign)),
        *_family("requests", "Requests by result.", _by("result", results, campaign)),
        *_family("replies", "Requests by the HTTP status of the reply.", _by("status", values.statuses, campaign)),
        *_latency(values.latency, campaign),
    ]
    for name, meaning, value in _gauges(values):
        if value is not None:
            lines += _family(name, meaning, [(campaign, value)])
    return "\n".join(lines) + "\n"


def _gauges(values: MetricValues) -> list[tuple[str, str, float | None]]:
    """Return name, meaning and value of what is a single number."""
    return [
        ("records_read", "Records read from the source.", values.records.read),
        ("requests_sent", "Requests on the wire, retries included.", values.requests.sent),
        ("requests_split", "Extra requests to isolate refused records.", values.requests.split),
        ("retries", "Requests that repeated an earlier one.", values.retries),
        ("throttled_seconds", "Time held back because the API asked for it.", values.throttled_s),
        ("in_flight", "Requests in flight.", values.in_flight),
        ("rate_limit", "Learned limit, in requests a second.", values.rate_limit),
        ("in_flight_limit", "Learned limit, in requests in flight.", values.in_flight_limit),
        ("run_duration_seconds", "Time worked by the run, without pauses.", values.duration_s),
        ("run_exit_code", "Exit code of the latest run that ended; absent while one is under way.", values.exit_code),
        ("run_finished_timestamp_seconds", "When the latest run ended.", values.finished_at_s),
        ("last_success_timestamp_seconds", "When a run last delivered everything.", values.last_success_s),
    ]


def last_success_s(text: str) -> float | None:
    """Return when a run last succeeded, by a text that `render_metrics` wrote earlier; None when it does not say."""
    for line in text.splitlines():
        if line.startswith(_LAST_SUCCESS):
            try:
                return float(line.rpartition(" ")[2])
            except ValueError:
                return None
    return None


def write_metrics_file(path: Path, values: MetricValues) -> str | None:
    """Write the metrics to `path` at once, keeping the last success that is on record there if `values` has none.

    Metrics never stop a run: a failure is returned as a sentence for the log, not raised.
    """
    if values.last_success_s is None:
        values = replace(values, last_success_s=_recorded_success_s(path))
    try:
        write_private_file(path, render_metrics(values).encode(), mode=FILE_MODE)
    except StateFailed as error:
        return f"the metrics could not be written: {error}"
    return None


def _recorded_success_s(path: Path) -> float | None:
    try:
        with path.open("rb") as file:
            return last_success_s(file.read(PREVIOUS_BYTES_MAX).decode(errors="replace"))
    except OSError:
        return None


def _latency(latency: LatencyHistogram, labels: Mapping[str, str]) -> list[str]:
    """Return the histogram of request latencies in seconds."""
    name = "bulk_sync_request_latency_seconds"
    bounds = [*((f"{bound:g}", count) for bound, count in latency.cumulative(LATENCY_OCTAVES)), ("+Inf", latency.count)]
    return [
        f"# HELP {name} Time from sending a request to the end of its reply.",
        f"# TYPE {name} histogram",
        *(f"{name}_bucket{_labelled({**labels, 'le': bound})} {count}" for bound, count in bounds),
        f"{name}_sum{_labelled(labels)} {_number(latency.sum_ms / 1000)}",
        f"{name}_count{_labelled(labels)} {latency.count}",
    ]


def _family(name: str, meaning: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    """Return the lines of one gauge and all its labels."""
    full = f"bulk_sync_{name}"
    return [
        f"# HELP {full} {meaning}",
        f"# TYPE {full} gauge",
        *(f"{full}{_labelled(labels)} {_number(value)}" for labels, value in samples),
    ]


def _by(label: str, counts: Mapping[str, int], labels: Mapping[str, str]) -> list[tuple[Mapping[str, str], float]]:
    """Return one sample for each of `counts`, told apart by `label`."""
    return [({**labels, label: name}, count) for name, count in counts.items()]


def _labelled(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
