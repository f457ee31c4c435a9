"""The report as a value and as a file, its latencies, and its timeline in bounded space."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, strategies as st

from engine.report.history import write_report
from engine.report.measured import TIMELINE_SAMPLES_MAX, LatencyHistogram, Sample, TimelineRecorder
from engine.report.report import (
    LIMIT_MOVES_MAX,
    LimitMove,
    Pacing,
    Report,
    RunStatus,
    from_json,
    iso,
    new_run_id,
    status_of,
    to_json,
)
from engine.values.counts import Reason
from engine.values.errors import ExitCode
from tests.reports import partial_report, succeeded_report

CONTRACT_KEYS = {
    "run_id", "status", "exit_code", "campaign_id", "started_at", "finished_at", "duration_s", "resumes", "reasons",
    "records", "requests",
}  # fmt: skip

latencies = st.lists(st.floats(min_value=0.01, max_value=900_000), min_size=1, max_size=200)


def test_the_file_has_what_the_contract_promises() -> None:
    values = json.loads(to_json(partial_report()))
    assert values.keys() >= CONTRACT_KEYS
    assert values["status"] == "partial"
    assert values["records"] == {
        "read": 4_210_000, "invalid": 7, "superseded": 1_205, "unchanged": 0, "updated": 4_208_776, "rejected": 9,
        "unknown": 3, "pending": 0, "filtered": 0,
    }  # fmt: skip
    assert values["requests"] == {"sent": 4_290, "succeeded": 4_221, "throttled": 41, "failed": 28, "split": 29}
    assert values["reasons"][0] == {
        "reason": "emi_due_date: not a date", "count": 8, "outcome": "rejected",
        "example_ids": ["LN-000123", "LN-004412"],
    }  # fmt: skip


def test_reading_gives_back_what_was_written() -> None:
    for report in (partial_report(), succeeded_report(), succeeded_report(latency_ms=None, timeline=[])):
        assert from_json(to_json(report)) == report


def test_a_report_of_another_version_is_read() -> None:
    newer = json.loads(to_json(partial_report())) | {"weather": "rain"}
    newer["records"]["lost"] = 0
    assert from_json(json.dumps(newer).encode()) == partial_report()
    older = from_json(b'{"run_id": "r", "status": "failed", "exit_code": 65}')
    assert older == Report(run_id="r", status=RunStatus.FAILED, exit_code=65)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"run_id": "r"}', b'{"run_id": 1, "status": "failed"}', b"\xff"])
def test_what_is_no_report_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        from_json(data)


@given(data=st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(ValueError):
        from_json(data)


def test_ids_that_json_cannot_hold_do_not_lose_the_report() -> None:
    report = succeeded_report(reasons=[Reason("invalid", "lone surrogate", 1, ["a\ud800b"])])
    assert from_json(to_json(report)).reasons[0].example_ids == ["a?b"]


def test_the_file_keeps_the_latest_moves_of_the_limits_only() -> None:
    moves = [LimitMove(float(n), f"{n} requests/s", "429") for n in range(LIMIT_MOVES_MAX + 50)]
    assert from_json(to_json(succeeded_report(pacing=Pacing(1.0, 1, moves)))).pacing.moves == moves[50:]


def test_both_files_are_written_for_their_owner_only(tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "r"
    write_report(partial_report(), run_dir, previous=succeeded_report())
    assert from_json((run_dir / "report.json").read_bytes()) == partial_report()
    assert (run_dir / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {path.name: path.stat().st_mode & 0o777 for path in run_dir.iterdir()} == {
        "report.json": 0o600,
        "report.html": 0o600,
    }


@pytest.mark.parametrize("code", list(ExitCode))
def test_only_the_contract_s_codes_are_not_failures(code: ExitCode) -> None:
    expected = {0: "succeeded", 3: "partial", 75: "interrupted"}
    assert status_of(code) == expected.get(code, "failed")


def test_rates_count_what_the_api_answered() -> None:
    assert partial_report().not_accepted == 19
    assert partial_report().records_per_s == pytest.approx((4_208_776 + 9 + 3) / 449.5)
    assert partial_report(duration_s=0.0).records_per_s == 0.0


def test_a_run_id_says_when_in_utc() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert new_run_id(datetime(2026, 11, 23, 7, 30, 0, 123_000, india), Random(1)).startswith("20261123T020000Z-07b")
    assert iso(datetime(2026, 11, 23, 7, 30, tzinfo=india)) == "2026-11-23T02:00:00.000Z"


@given(first=st.integers(0, 10**12), later_ms=st.integers(1, 10**9), seed=st.integers(0, 100))
def test_run_ids_sort_by_time(first: int, later_ms: int, seed: int) -> None:
    random = Random(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=first)
    ids = [new_run_id(moment, random) for moment in (start, start + timedelta(milliseconds=later_ms))]
    assert ids == sorted(ids)
    assert len(set(ids)) == 2


@given(values=latencies, share=st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_quantiles_are_right_within_a_bucket(values: list[float], share: float) -> None:
    histogram = LatencyHistogram()
    for value in values:
        histogram.observe(value)
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    assert histogram.count == len(values)
    assert histogram.max_ms == max(values)
    assert histogram.quantile_ms(share) == pytest.approx(max(exact, 1.0), rel=0.05, abs=0.99)


@given(first=latencies, second=latencies)
def test_histograms_add_up(first: list[float], second: list[float]) -> None:
    one, other, both = LatencyHistogram(), LatencyHistogram(), LatencyHistogram()
    for value in first:
        one.observe(value)
        both.observe(value)
    for value in second:
        other.observe(value)
        both.observe(value)
    one.add(other)
    assert (one.counts, one.max_ms) == (both.counts, both.max_ms)
    assert one.sum_ms == pytest.approx(both.sum_ms)


def test_no_latency_takes_more_space_than_the_buckets() -> None:
    histogram = LatencyHistogram()
    for power in range(-20, 200):
        histogram.observe(1.1**power)
    histogram.observe(0.0)
    histogram.observe(1e12)
    assert len(histogram.counts) <= 161
    assert LatencyHistogram().latency() is None
    assert LatencyHistogram().quantile_ms(0.5) == 0.0


@given(values=latencies)
def test_cumulative_counts_are_exact_at_their_bounds(values: list[float]) -> None:
    histogram = LatencyHistogram()
    for value in values:
        histogram.observe(value)
    for bound_s, count in histogram.cumulative(range(0, 20)):
        assert count == sum(value <= bound_s * 1000 for value in values)


samples = st.lists(
    st.builds(
        Sample,
        t_s=st.floats(0.001, 5.0),  # the length of the interval here; made the time of its end below
        updated=st.integers(0, 10_000),
        requests=st.integers(0, 20),
        throttled=st.integers(0, 3),
        retried=st.integers(0, 3),
        in_flight=st.integers(0, 8),
        latency_ms=st.none() | st.floats(1, 1000),
    ),
    max_size=40,
)


@given(pattern=samples, repeats=st.integers(1, 60))
def test_a_timeline_is_bounded_ordered_and_loses_nothing(pattern: list[Sample], repeats: int) -> None:
    recorder, t_s = TimelineRecorder(), 0.0
    for sample in pattern * repeats:
        t_s += sample.t_s
        recorder.add(Sample(t_s, sample.updated, sample.requests, sample.throttled, sample.retried, sample.in_flight))
    kept = recorder.samples
    assert len(kept) <= TIMELINE_SAMPLES_MAX
    assert [s.t_s for s in kept] == sorted(s.t_s for s in kept)
    for name in ("updated", "requests", "throttled", "retried"):
        assert sum(getattr(s, name) for s in kept) == repeats * sum(getattr(s, name) for s in pattern)
    if pattern:
        assert kept[-1].t_s == t_s
        assert max(s.in_flight for s in kept) == max(s.in_flight for s in pattern)


def test_merged_samples_keep_the_mean_latency_of_their_requests() -> None:
    recorder = TimelineRecorder()
    for second in range(1, 2 * TIMELINE_SAMPLES_MAX + 1):
        fast = second % 2
        recorder.add(Sample(float(second), requests=3 if fast else 1, latency_ms=100.0 if fast else 500.0))
    assert recorder.samples[0] == Sample(3.0, requests=3 + 1 + 3, latency_ms=157.1)  # (6 * 100 + 500) / 7


def test_a_resumed_timeline_goes_on() -> None:
    earlier = TimelineRecorder()
    earlier.add(Sample(1.0, updated=5))
    resumed = TimelineRecorder(earlier.samples)
    resumed.add(Sample(2.0, updated=6))
    assert [s.updated for s in resumed.samples] == [5, 6]
