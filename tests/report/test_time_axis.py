"""The axis of the charts: time worked, and beside it the time of day, which breaks where a run was resumed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from engine.report.measured import ProcessStart
from engine.report.time_axis import TimeAxis
from tests.reports import partial_report, succeeded_report

TWO = [ProcessStart(0.0, "2026-11-23T20:29:00.000Z"), ProcessStart(120.0, "2026-11-24T01:00:00.000Z")]


def test_a_moment_of_the_work_has_a_time_of_day_in_the_zone_of_the_reader() -> None:
    axis = TimeAxis(TWO, 300.0, ZoneInfo("Asia/Kolkata"))
    assert axis.zone == "IST"
    assert [axis.said(t_s) for t_s in (0.0, 90.0, 120.0, 180.0)] == ["01:59:00", "02:00:30", "06:30:00", "06:31:00"]


def test_what_ends_where_a_process_ended_has_not_waited_for_the_next() -> None:
    assert TimeAxis(TWO, 300.0, UTC).said(120.0, ends=True) == "20:31:00"


def test_the_break_of_a_resumed_run_is_known() -> None:
    [found] = TimeAxis(TWO, 300.0, UTC).breaks()
    assert (found.t_s, found.lasted_s) == (120.0, 4 * 3600 + 29 * 60)
    assert f"{found.since:%H:%M} to {found.until:%H:%M}" == "20:31 to 01:00"


def test_a_clock_that_was_set_back_makes_no_break() -> None:
    back = [TWO[0], ProcessStart(120.0, "2026-11-23T20:00:00.000Z")]
    assert TimeAxis(back, 300.0, UTC).breaks() == []


def test_ticks_show_round_times_of_day_and_the_beginning_of_each_process() -> None:
    later = ProcessStart(600.0, "2026-11-24T01:02:00.000Z")
    axis = TimeAxis([TWO[0], later], 1_200.0, ZoneInfo("Europe/Vienna"))
    assert [(tick.left, tick.words) for tick in axis.clock_ticks()] == [
        (0.0, "21:29"),
        (30.0, "21:35"),
        (50.0, "02:02"),
        (90.0, "02:10"),  # and not 02:05, which would touch 02:02 on a phone
    ]
    assert [tick.words for tick in axis.ticks()] == ["0:00", "5:00", "10:00", "15:00", "20:00"]


@given(
    end_s=st.floats(0.01, 200_000.0),
    starts=st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 10**6)), max_size=20),
)
def test_the_words_of_ticks_never_touch_on_a_phone(end_s: float, starts: list[tuple[float, int]]) -> None:
    begun = datetime(2026, 11, 23, 2, tzinfo=UTC)
    times = sorted(seconds for _, seconds in starts)
    processes = [
        ProcessStart(share * end_s, (begun + timedelta(seconds=seconds)).isoformat())
        for share, seconds in zip(sorted(share for share, _ in starts), times, strict=True)
    ]
    axis = TimeAxis([ProcessStart(0.0, begun.isoformat()), *processes], end_s, UTC)
    for ticks in (axis.ticks(), axis.clock_ticks()):
        assert ticks
        for one, other in pairwise(ticks):
            assert one.extent[1] <= other.extent[0] + 1e-9
        assert all(tick.extent[0] >= 0 and tick.extent[1] <= 100 for tick in ticks)


def test_an_old_report_is_known_to_have_one_process_if_it_was_not_resumed() -> None:
    assert TimeAxis.of(succeeded_report(), 10.0, UTC).zone == "UTC"
    resumed = TimeAxis.of(partial_report(resumes=1), 10.0, UTC)
    assert (resumed.zone, resumed.clock_ticks(), resumed.said(5.0)) == ("", [], "0:05 worked")


@pytest.mark.parametrize("at", ["", "yesterday", "2026-11-23 02:00"])
def test_what_is_no_moment_is_left_out(at: str) -> None:
    assert TimeAxis([ProcessStart(0.0, at)], 10.0, UTC).clock_ticks() == []
