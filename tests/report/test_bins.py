"""The columns of the charts: requests when they were sent, and the times of those that were answered."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from engine.report.bins import bins, evened
from engine.report.measured import Sample, bucket_of


def test_requests_are_counted_when_they_were_sent() -> None:
    """Twenty that end in one second, after a stall of the server, were sent over two."""
    timeline = [Sample(1.0, sent=10, rate_limit=10.0), Sample(2.0, sent=10, requests=20, rate_limit=10.0)]
    assert [column.sent for column in bins(timeline, 1.0)] == [10.0, 10.0]


def test_a_report_that_counted_only_what_ended_shows_that() -> None:
    assert [column.sent for column in bins([Sample(1.0, requests=4), Sample(2.0, requests=6)], 1.0)] == [4.0, 6.0]


def test_no_column_stands_above_what_was_allowed_because_of_where_an_interval_begins() -> None:
    timeline = [Sample(float(t), sent=11 if t % 2 else 9, rate_limit=10.0) for t in range(1, 9)]
    assert [column.sent for column in bins(timeline, 1.0)] == [10.0] * 8


def test_more_than_jitter_is_shown() -> None:
    timeline = [Sample(1.0, sent=10, rate_limit=10.0), Sample(2.0, sent=30, rate_limit=10.0)]
    assert max(column.sent for column in bins(timeline, 1.0)) > 20


@given(
    intervals=st.lists(st.tuples(st.integers(0, 40), st.floats(0, 40), st.floats(0, 3)), max_size=40),
)
def test_no_request_is_lost_and_none_moves_further_than_jitter_goes(
    intervals: list[tuple[int, float, float]],
) -> None:
    sent, room, carried = ([each[n] for each in intervals] for n in range(3))
    found = evened(sent, room, carried)
    assert sum(found) == pytest.approx(sum(sent))
    assert all(each >= 0 for each in found)
    for n in range(len(found)):
        assert abs(sum(found[: n + 1]) - sum(sent[: n + 1])) <= max(carried, default=0) + 1e-6


def test_latencies_are_quantiles_over_the_requests_of_all_intervals_of_a_column() -> None:
    fast, slow = bucket_of(100.0), bucket_of(1_000.0)
    timeline = [Sample(1.0, latencies={fast: 9}), Sample(2.0, latencies={fast: 1, slow: 10}), Sample(3.0)]
    first, second = bins(timeline, 2.0)
    assert first.latency_ms(0.5) == pytest.approx(100.0, rel=0.05)
    assert first.latency_ms(0.95) == pytest.approx(1_000.0, rel=0.05)
    assert second.latency_ms(0.5) is None


def test_the_limit_of_a_column_is_the_highest_that_held_in_it() -> None:
    timeline = [Sample(1.0, rate_limit=10.0), Sample(2.0, rate_limit=4.0), Sample(3.0, rate_limit=4.0)]
    assert [column.rate_limit for column in bins(timeline, 1.0)] == [10.0, 10.0, 4.0]
