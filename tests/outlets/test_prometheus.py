"""The metrics file, read as Prometheus reads it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from prometheus_client.parser import text_string_to_metric_families

from engine.outlets import prometheus
from engine.outlets.prometheus import CampaignValues, MetricValues, last_success_s, render_metrics, write_metrics_file
from engine.report.measured import LatencyHistogram
from engine.values.counts import RecordCounts, RequestCounts

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def values(**changes: Any) -> MetricValues:
    latency = LatencyHistogram()
    for latency_ms in (5.0, 300.0, 310.0, 90_000.0):
        latency.observe(latency_ms)
    settled: dict[str, Any] = {
        "campaign_id": "69bd2c",
        "records": RecordCounts(read=100, updated=90, rejected=8, invalid=2),
        "requests": RequestCounts(sent=12, succeeded=9, throttled=2, failed=1, split=3),
        "statuses": {"200": 9, "429": 2, "none": 1},
        "duration_s": 12.25,
        "latency": latency,
        "throttled_s": 1.5,
        "retries": 3,
        "in_flight": 0,
        "exit_code": 3,
        "finished_at_s": 1_795_400_000.5,
    }
    return MetricValues(**(settled | changes))


def parsed(text: str) -> Samples:
    """Return the samples by name and labels, the campaign left out; each may be there only once."""
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("campaign")
            key = (sample.name.removeprefix("bulk_sync_"), frozenset(sample.labels.items()))
            assert key not in samples
            samples[key] = float(sample.value)
    return samples


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_gone_ids_and_the_ledger_are_there_where_there_is_one() -> None:
    told = {"gone_found": 12, "gone_updated": 7, "ledger_records": 100, "ledger_oldest_s": 1_795_000_000.0}
    samples = parsed(render_metrics(values(**told)))
    assert (value(samples, "gone_found"), value(samples, "gone_updated")) == (12, 7)
    assert value(samples, "ledger_records") == 100
    assert value(samples, "ledger_oldest_timestamp_seconds") == 1_795_000_000
    assert not [name for name, _ in parsed(render_metrics(values())) if "gone" in name or "ledger" in name]


def test_each_of_many_campaigns_is_told_and_hides_no_last_success() -> None:
    records = RecordCounts(read=7, updated=5, pending=2)
    campaigns = [CampaignValues(f"camp {number}", records, 65 if number else None) for number in range(2_000)]
    text = render_metrics(values(campaigns=campaigns, last_success_s=1_795_000_000.0))
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert told["bulk_sync_campaign_records", "camp 1999", "updated"] == 5
    assert told["bulk_sync_campaign_exit_code", "camp 7"] == 65
    assert ("bulk_sync_campaign_exit_code", "camp 0") not in told
    assert last_success_s(text[: prometheus.PREVIOUS_BYTES_MAX]) == 1_795_000_000.0
    assert len(text) > prometheus.PREVIOUS_BYTES_MAX


def test_records_and_requests_are_told_apart_by_label() -> None:
    samples = parsed(render_metrics(values()))
    assert value(samples, "records", outcome="updated") == 90
    assert value(samples, "records", outcome="rejected") == 8
    assert value(samples, "records", outcome="pending") == 0
    assert value(samples, "records_read") == 100
    assert value(samples, "requests", result="throttled") == 2
    assert value(samples, "requests_sent") == 12
    assert value(samples, "replies", status="429") == 2
    assert sum(count for (name, _), count in samples.items() if name == "records") == 100
    assert sum(count for (name, _), count in samples.items() if name == "requests") == 12


def test_single_values() -> None:
    samples = parsed(render_metrics(values(rate_limit=9.6, in_flight_limit=6)))
    expected = {
        "run_duration_seconds": 12.25, "throttled_seconds": 1.5, "retries": 3, "in_flight": 0, "rate_limit": 9.6,
        "in_flight_limit": 6, "run_exit_code": 3, "run_finished_timestamp_seconds": 1_795_400_000.5,
        "requests_split": 3,
    }  # fmt: skip
    assert {name: value(samples, name) for name in expected} == expected


def test_what_is_not_known_is_absent_and_not_zero() -> None:
    samples = parsed(render_metrics(values(exit_code=None, finished_at_s=None)))
    names = {name for name, _ in samples}
    assert names.isdisjoint({
        "rate_limit", "in_flight_limit", "run_exit_code", "run_finished_timestamp_seconds",
        "last_success_timestamp_seconds",
    })  # fmt: skip


def test_the_latency_histogram_is_cumulative_and_in_seconds() -> None:
    samples = parsed(render_metrics(values()))
    buckets = sorted(
        (float(dict(labels)["le"]), count)
        for (name, labels), count in samples.items()
        if name == "request_latency_seconds_bucket"
    )
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert (0.008, 1.0) in buckets
    assert (0.256, 1.0) in buckets
    assert (0.512, 3.0) in buckets
    assert buckets[-1] == (float("inf"), 4.0)
    assert value(samples, "request_latency_seconds_count") == 4
    assert value(samples, "request_latency_seconds_sum") == pytest.approx(90.615)


@given(campaign=st.text(min_size=1))
def test_no_campaign_id_breaks_the_format(campaign: str) -> None:
    families = text_string_to_metric_families(render_metrics(values(campaign_id=campaign)))
    assert {sample.labels["campaign"] for family in families for sample in family.samples} == {campaign}


def test_line_breaks_in_a_label_are_escaped() -> None:
    assert '{campaign="a\\nb\\"c\\\\"}' in render_metrics(values(campaign_id='a\nb"c\\'))


def test_the_last_success_survives_a_failed_run(tmp_path: Path) -> None:
    path = tmp_path / "sync.prom"
    assert write_metrics_file(path, values()) is None
    assert value(parsed(path.read_text(encoding="utf-8")), "last_success_timestamp_seconds") is None
    assert write_metrics_file(path, values(exit_code=0, last_success_s=1_795_300_000.0)) is None
    for exit_code in (75, 77):
        assert write_metrics_file(path, values(exit_code=exit_code)) is None
        samples = parsed(path.read_text(encoding="utf-8"))
        assert value(samples, "last_success_timestamp_seconds") == 1_795_300_000.0
        assert value(samples, "run_exit_code") == exit_code


@pytest.mark.parametrize(
    "text", ["", "nonsense", 'bulk_sync_last_success_timestamp_seconds{campaign="c"} soon\n', "\x00\xff"]
)
def test_a_damaged_earlier_file_knows_no_success(text: str) -> None:
    assert last_success_s(text) is None


def test_the_collector_may_read_the_file_and_finds_no_half_one(tmp_path: Path) -> None:
    write_metrics_file(tmp_path / "sync.prom", values())
    assert (tmp_path / "sync.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["sync.prom"]


def test_values_taken_earlier_do_not_replace_later_ones(tmp_path: Path) -> None:
    path = tmp_path / "sync.prom"
    under_way, end = values(exit_code=None, finished_at_s=None), values()
    write_metrics_file(path, end)
    assert write_metrics_file(path, under_way) is None
    assert value(parsed(path.read_text(encoding="utf-8")), "run_exit_code") == 3
    write_metrics_file(path, values(exit_code=None, finished_at_s=None))  # of the next run
    assert value(parsed(path.read_text(encoding="utf-8")), "run_exit_code") is None


async def test_a_write_that_was_cancelled_in_its_middle_comes_before_that_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, begun, go_on = tmp_path / "sync.prom", threading.Event(), threading.Event()
    write_file, order = prometheus.write_private_file, []

    def slowly(path: Path, data: bytes, *, mode: int) -> None:
        if b"run_exit_code{" not in data:
            begun.set()
            assert go_on.wait(60)
        write_file(path, data, mode=mode)
        order.append(b"run_exit_code{" in data)

    monkeypatch.setattr(prometheus, "write_private_file", slowly)
    late = asyncio.create_task(asyncio.to_thread(write_metrics_file, path, values(exit_code=None, finished_at_s=None)))
    await asyncio.to_thread(begun.wait, 60)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    end = asyncio.create_task(asyncio.to_thread(write_metrics_file, path, values()))
    await asyncio.sleep(0)
    assert not end.done()
    go_on.set()
    assert await end is None
    assert order == [False, True]
    assert value(parsed(path.read_text(encoding="utf-8")), "run_exit_code") == 3


def test_a_failure_is_a_sentence_and_no_exception(tmp_path: Path) -> None:
    problem = write_metrics_file(tmp_path / "missing" / "sync.prom", values())
    assert problem is not None
    assert problem.startswith("the metrics could not be written: ")
