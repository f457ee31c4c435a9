"""Metrics for Prometheus: a text file for the node exporter's textfile collector, and an endpoint while a run goes on.

All values are of one run, the latest, so all but the latency histogram are gauges. They hold counts and times only, so
the file may be read by everybody: the collector runs as another user. Metrics never stop a run.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.outlets.logs import get_logger
from engine.report import LatencyHistogram
from engine.state import write_private_file
from engine.values import RecordCounts, RequestCounts, StateFailed

if TYPE_CHECKING:
    from prometheus_client import Metric

HOST = "127.0.0.1"

SNAPSHOT_TIMEOUT_S = 1.0

FILE_MODE = 0o644

PREVIOUS_BYTES_MAX = 1_000_000
"""The most of an earlier file that is read to find its last success."""

LATENCY_OCTAVES = range(3, 18)
"""Bucket bounds of the latency histogram: 2^3 ms to 2^17 ms, which is 8 ms to 131 s."""

_writing = threading.Lock()
_written_at: dict[Path, float] = {}
"""When the values in a file were taken, of those that this process has written."""

_LAST_SUCCESS = re.compile(r"^bulk_sync_last_success_timestamp_seconds\{.* (\d+(?:\.\d+)?(?:e\+\d+)?)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CampaignValues:
    """What is exposed of a campaign where a run has many. `exit_code` is None as long as nothing has ended its part."""

    campaign_id: str
    records: RecordCounts
    exit_code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValues:
    """What is exposed, of a run under way or ended.

    `exit_code` and `finished_at_s` are None while the run is under way, `last_success_s` is None when it never
    succeeded; both moments are seconds since 1970. `statuses` counts requests by the HTTP status of their reply, as
    text, with `none` for no reply. Limits are None as long as none was learned. What is told of gone ids and of the
    ledger is None where there is none; `ledger_oldest_s` is when the oldest of its entries was acknowledged, in seconds
    since 1970, known at the end. `taken_at` says when all that was so, by the monotonic clock, in seconds.
    """

    campaign_id: str
    """Empty where a run has many campaigns: then these are the sums, and `campaigns` has what is known of each."""
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
    gone_found: int | None = None
    gone_updated: int | None = None
    ledger_records: int | None = None
    ledger_oldest_s: float | None = None
    exit_code: int | None = None
    finished_at_s: float | None = None
    last_success_s: float | None = None
    campaigns: Sequence[CampaignValues] = ()
    taken_at: float = field(default_factory=time.monotonic, compare=False)


def render_metrics(values: MetricValues) -> str:
    """Return the values in the text exposition format of Prometheus."""
    from prometheus_client import generate_latest

    return generate_latest(_Collector(lambda: values)).decode()


@asynccontextmanager
async def serving(port: int | None, take: Callable[[], MetricValues]) -> AsyncIterator[None]:
    """Serve what `take` returns on loopback as long as the context lasts; without a `port`, nothing happens.

    The server has threads of its own, so `take` is called in the event loop, and what it returned before is shown if
    the loop is too busy. A port that is taken is a warning in the log.
    """
    if port is None:
        yield
        return
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(_from_other_threads(take)))
    try:
        server, thread = start_http_server(port, HOST, registry)
    except OSError as error:
        message = f"no metrics at {HOST}:{port} (notify.prometheus_port): {error.strerror or error}"
        get_logger().warning("not_announced", message=message)
        yield
        return
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


def _from_other_threads(take: Callable[[], MetricValues]) -> Callable[[], MetricValues]:
    """Return a function for other threads that has `take` called in this event loop."""
    loop, latest = asyncio.get_running_loop(), [take()]

    async def snapshot() -> None:
        latest[0] = take()

    def take_there() -> MetricValues:
        with suppress(TimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(snapshot(), loop).result(SNAPSHOT_TIMEOUT_S)
        return latest[0]

    return take_there


class _Collector:
    """Turns values into metric families whenever somebody asks."""

    def __init__(self, take: Callable[[], MetricValues]) -> None:
        self._take = take

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        values = self._take()
        for name, meaning, label, counts in _counts(values):
            family = GaugeMetricFamily(f"bulk_sync_{name}", meaning, labels=("campaign", label))
            for key, count in counts.items():
                family.add_metric((values.campaign_id, key), count)
            yield family
        yield _latency(values)
        for name, meaning, value in _gauges(values):
            if value is not None:
                family = GaugeMetricFamily(f"bulk_sync_{name}", meaning, labels=("campaign",))
                family.add_metric((values.campaign_id,), value)
                yield family
        if values.campaigns:  # last: they may be many, and the last success is looked for where a file begins
            yield from _of_campaigns(values.campaigns)


def _of_campaigns(campaigns: Sequence[CampaignValues]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    records = GaugeMetricFamily(
        "bulk_sync_campaign_records", "Records of a campaign by outcome.", labels=("campaign", "outcome")
    )
    ends = GaugeMetricFamily(
        "bulk_sync_campaign_exit_code",
        "How the part of a campaign ended; absent while it is under way.",
        labels=("campaign",),
    )
    for each in campaigns:
        for outcome, count in each.records.states.items():
            records.add_metric((each.campaign_id, outcome), count)
        if each.exit_code is not None:
            ends.add_metric((each.campaign_id,), each.exit_code)
    yield from (records, ends)


def _counts(values: MetricValues) -> list[tuple[str, str, str, Mapping[str, int]]]:
    """Return name, meaning, label and counts of what is told apart by a label."""
    results = {name: getattr(values.requests, name) for name in ("succeeded", "throttled", "failed")}
    return [
        ("records", "Records by outcome.", "outcome", values.records.states),
        ("requests", "Requests by result.", "result", results),
        ("replies", "Requests by the HTTP status of the reply.", "status", values.statuses),
    ]


def _latency(values: MetricValues) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    latency = values.latency
    bounds = [(f"{bound:g}", float(count)) for bound, count in latency.cumulative(LATENCY_OCTAVES)]
    family = HistogramMetricFamily(
        "bulk_sync_request_latency_seconds",
        "Time from sending a request to the end of its reply, of those that were answered.",
        labels=("campaign",),
    )
    family.add_metric((values.campaign_id,), [*bounds, ("+Inf", float(latency.count))], latency.sum_ms / 1000)
    return family


def _gauges(values: MetricValues) -> list[tuple[str, str, float | None]]:
    """Return name, meaning and value of what is a single number."""
    return [
        ("records_read", "Records read from the source.", values.records.read),
        ("rows_filtered", "Rows of the source that source.where leaves out.", values.records.filtered),
        ("requests_sent", "Requests on the wire, retries included.", values.requests.sent),
        ("requests_split", "Extra requests to isolate refused records.", values.requests.split),
        ("retries", "Requests that repeated an earlier one.", values.retries),
        ("throttled_seconds", "Time held back because the API asked for it.", values.throttled_s),
        ("in_flight", "Requests in flight.", values.in_flight),
        ("rate_limit", "Learned limit, in requests a second.", values.rate_limit),
        ("in_flight_limit", "Learned limit, in requests in flight.", values.in_flight_limit),
        ("gone_found", "Ids that the source holds no more.", values.gone_found),
        ("gone_updated", "Of these, ids that the API was told so.", values.gone_updated),
        ("ledger_records", "Ids in the ledger.", values.ledger_records),
        ("ledger_oldest_timestamp_seconds", "When the oldest good entry was acknowledged.", values.ledger_oldest_s),
        ("run_duration_seconds", "Time worked by the run, without pauses.", values.duration_s),
        ("run_exit_code", "Exit code of the latest run that ended; absent while one is under way.", values.exit_code),
        ("run_finished_timestamp_seconds", "When the latest run ended.", values.finished_at_s),
        ("last_success_timestamp_seconds", "When a run last delivered everything.", values.last_success_s),
    ]


def last_success_s(text: str) -> float | None:
    """Return when a run last succeeded, by a text that `render_metrics` wrote earlier; None when it does not say."""
    found = _LAST_SUCCESS.search(text)
    return float(found[1]) if found else None


def write_metrics_file(path: Path, values: MetricValues) -> str | None:
    """Write the metrics to `path` at once, keeping the last success that is on record there if `values` has none.

    Threads may call this in any order: a file never gets values that were taken before those it has. A thread that is
    slow, or whose task was cancelled, goes on all the same, and would else put those of a run under way in place of
    those of its end.

    Metrics never stop a run: a failure is returned as a sentence for the log, not raised.
    """
    with _writing:
        if values.taken_at < _written_at.get(path, values.taken_at):
            return None
        if values.last_success_s is None:
            values = replace(values, last_success_s=_recorded_success_s(path))
        try:
            write_private_file(path, render_metrics(values).encode(), mode=FILE_MODE)
        except StateFailed as error:
            return f"the metrics could not be written: {error}"
        _written_at[path] = values.taken_at
    return None


def _recorded_success_s(path: Path) -> float | None:
    try:
        with path.open("rb") as file:
            return last_success_s(file.read(PREVIOUS_BYTES_MAX).decode(errors="replace"))
    except OSError:
        return None
