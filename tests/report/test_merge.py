"""Reports of parts add up: nothing is counted twice, nothing is lost, and the worst part speaks for the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from engine.report.holdups import Holdup
from engine.report.measured import TIMELINE_SAMPLES_MAX, LatencyHistogram, ProcessStart, Sample
from engine.report.merge import merged
from engine.report.report import Report, RunStatus, from_json, to_json
from engine.values.counts import Reason, RecordCounts, RequestCounts
from engine.values.errors import AccountsDoNotBalance
from tests.reports import partial_report, succeeded_report


def histogram(*latencies_ms: float) -> LatencyHistogram:
    found = LatencyHistogram()
    for latency_ms in latencies_ms:
        found.observe(latency_ms)
    return found


def part(updated: int, rejected: int = 0, *latencies_ms: float) -> Report:
    return Report(
        run_id="20261123T020000Z-000000",
        status=RunStatus.PARTIAL if rejected else RunStatus.SUCCEEDED,
        exit_code=3 if rejected else 0,
        started_at="2026-11-23T02:00:00.000Z",
        finished_at="2026-11-23T02:10:00.000Z",
        records=RecordCounts(read=updated + rejected, updated=updated, rejected=rejected),
        requests=RequestCounts(sent=updated, succeeded=updated),
        reasons=[Reason("rejected", "no such loan", rejected, ["a"])] if rejected else [],
        latencies=histogram(*latencies_ms),
        timeline=[Sample(t_s=1.0, updated=updated, requests=1, in_flight=2, rate_limit=5.0)],
    )


PARTS = st.lists(st.builds(part, st.integers(0, 10**6), st.integers(0, 5), st.floats(1, 1e5)), min_size=1, max_size=6)


@given(parts=PARTS)
def test_sums_are_the_same_however_they_are_added(parts: list[Report]) -> None:
    whole = merged(parts)
    whole.records.check()
    assert whole.records.read == sum(each.records.read for each in parts)
    assert whole.requests.sent == sum(each.requests.sent for each in parts)
    assert whole.latencies.count == len(parts)
    assert sum(reason.count for reason in whole.reasons) == whole.records.rejected
    assert sum(sample.updated for sample in whole.timeline) == whole.records.updated
    one_by_one = parts[0]
    for each in parts[1:]:
        one_by_one = merged([one_by_one, each])
    for other in (one_by_one, merged(list(reversed(parts)))):
        assert (other.records, other.requests, other.status) == (whole.records, whole.requests, whole.status)
        assert other.latencies.counts == whole.latencies.counts


@given(first=st.lists(st.floats(1, 1e6), min_size=1), second=st.lists(st.floats(1, 1e6), min_size=1))
def test_latencies_are_those_of_all_requests(first: list[float], second: list[float]) -> None:
    assert merged([part(1, 0, *first), part(1, 0, *second)]).latency_ms == histogram(*first, *second).latency()


def test_the_worst_part_speaks_for_the_whole() -> None:
    stopped = part(1)
    failed = Report(run_id="r", status=RunStatus.FAILED, exit_code=77, message="the token was refused")
    cut = Report(run_id="r", status=RunStatus.INTERRUPTED, exit_code=75, message="SIGTERM")
    assert merged([stopped, part(1, 1)]).exit_code == 3
    assert merged([part(1, 1), cut, stopped]).exit_code == 75
    assert (merged([cut, failed, stopped]).exit_code, merged([cut, failed]).message) == (77, "the token was refused")


def test_times_are_those_of_the_whole_and_parts_lie_beside_one_another() -> None:
    later = partial_report(
        started_at="2026-11-23T02:00:30.000Z", finished_at="2026-11-23T03:00:00.000Z", duration_s=9.0
    )
    whole = merged([part(7), later])
    assert (whole.started_at, whole.finished_at) == ("2026-11-23T02:00:00.000Z", "2026-11-23T03:00:00.000Z")
    assert whole.duration_s == 9.0
    assert whole.timeline[0].updated == 7
    assert all(sample.t_s > 30 for sample in whole.timeline[1:])
    assert len(whole.timeline) <= TIMELINE_SAMPLES_MAX + 1
    both = merged([part(7), part(5)]).timeline
    assert [(sample.updated, sample.in_flight, sample.rate_limit) for sample in both] == [(12, 4, 10.0)]


def test_a_part_that_does_not_balance_is_refused() -> None:
    wrong = succeeded_report(records=RecordCounts(read=2, updated=1))
    with pytest.raises(AccountsDoNotBalance):
        merged([part(1), wrong])


def test_it_survives_being_written_and_read() -> None:
    whole = merged([part(3, 1, 5.0, 900.0), part(4, 0, 20.0)])
    assert from_json(to_json(whole)) == whole


def test_what_was_measured_of_the_parts_adds_up() -> None:
    sample = Sample(1.0, sent=4, requests=4, latency_ms=100.0, latencies={53: 3})
    held = [Holdup("outage", 1.0, 2.0, held_s=1.0)]
    one = part(1)
    parts = [replace(one, timeline=[sample], holdups=held), replace(one, started_at="2026-11-23T02:00:00.500Z")]
    whole = merged(parts)
    assert [(each.sent, each.latencies) for each in whole.timeline] == [(4, {53: 3}), (None, {})]
    assert whole.holdups == held
    assert whole.processes == [ProcessStart(0.0, "2026-11-23T02:00:00.000Z")]


def test_a_break_of_a_part_is_time_of_the_whole() -> None:
    starts = [ProcessStart(0.0, "2026-11-23T02:00:00.000Z"), ProcessStart(1.0, "2026-11-23T02:05:00.000Z")]
    resumed = replace(part(1), processes=starts, timeline=[Sample(1.0, updated=1), Sample(2.0, updated=7)])
    assert [(each.t_s, each.updated) for each in merged([resumed]).timeline] == [(1.0, 1), (301.0, 7)]
