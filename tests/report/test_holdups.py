"""What held a run up is kept in bounded space, whatever happens, and told in a few lines."""

from __future__ import annotations

from datetime import UTC
from itertools import combinations

import pytest
from hypothesis import given, strategies as st

from engine.report.holdup_words import labels, rows
from engine.report.holdups import HOLDUP_WORDS, HOLDUPS_MAX, OUTAGE, SILENCE, Holdup, HoldupRecorder
from engine.report.measured import ProcessStart
from engine.report.time_axis import TimeAxis

STARTS = [ProcessStart(0.0, "2026-11-23T02:00:00.000Z")]


def utc(end_s: float, starts: list[ProcessStart] | None = None) -> TimeAxis:
    return TimeAxis(starts or STARTS, end_s, UTC)


def test_what_is_seen_again_and_again_is_one_stretch() -> None:
    recorder = HoldupRecorder()
    for tick in range(8):
        recorder.saw(OUTAGE, 3.0 + tick / 4, 3.25 + tick / 4)
    assert recorder.holdups == [Holdup(OUTAGE, 3.0, 5.0, times=1, held_s=2.0)]


def test_what_was_noticed_late_is_told_from_its_beginning() -> None:
    recorder = HoldupRecorder()
    recorder.saw(OUTAGE, 1.0, 6.0)
    recorder.saw(OUTAGE, 1.0, 6.25)
    assert recorder.holdups == [Holdup(OUTAGE, 1.0, 6.25, times=1, held_s=5.25)]


def test_stretches_that_are_hardly_apart_are_one_and_say_how_often() -> None:
    recorder = HoldupRecorder()
    for start_s in (1.0, 2.5, 9.0):
        recorder.saw(SILENCE, start_s, start_s + 1.0)
        recorder.saw(OUTAGE, start_s, start_s + 0.5)
    assert [each for each in recorder.holdups if each.kind == SILENCE] == [
        Holdup(SILENCE, 1.0, 3.5, times=2, held_s=2.0),
        Holdup(SILENCE, 9.0, 10.0, times=1, held_s=1.0),
    ]


@given(gaps=st.lists(st.tuples(st.sampled_from(list(HOLDUP_WORDS)), st.floats(0, 50), st.floats(0, 9)), max_size=700))
def test_however_many_there_are_the_list_is_short_and_no_time_is_lost(gaps: list[tuple[str, float, float]]) -> None:
    recorder, t_s, held_s = HoldupRecorder(), 0.0, 0.0
    for kind, gap_s, length_s in gaps:
        t_s += gap_s
        recorder.saw(kind, t_s, t_s + length_s)
        t_s += length_s
        held_s += length_s
    assert len(recorder.holdups) <= HOLDUPS_MAX
    assert sum(each.held_s for each in recorder.holdups) == pytest.approx(held_s, abs=0.02 * (len(gaps) + 1))


def test_a_resumed_run_goes_on_from_what_was_seen() -> None:
    recorder = HoldupRecorder([Holdup(OUTAGE, 1.0, 6.0, held_s=5.0)])
    recorder.saw(OUTAGE, 6.5, 8.0)
    assert recorder.holdups == [Holdup(OUTAGE, 1.0, 8.0, times=2, held_s=6.5)]


def test_each_is_told_with_its_time_of_day_and_many_of_a_kind_at_once() -> None:
    few = [Holdup(OUTAGE, 30.0, 90.0, held_s=60.0)]
    [row] = rows(few, [], utc(100.0))
    assert (row.name, row.when, row.took) == ("outage", "02:00:30 to 02:01:30", "1 min 00 s")
    many = [Holdup(SILENCE, 10.0 * n, 10.0 * n + 3, times=2, held_s=2.0) for n in range(50)]
    first, second = rows([*many, *few], [], utc(600.0))
    assert (first.name, first.when, first.took) == (
        "asked to wait",
        "02:00:00 to 02:08:13",
        "100 times, 1 min 40 s in all",
    )
    assert second.name == "outage"


def test_a_break_between_processes_is_told_and_what_it_waited_for() -> None:
    starts = [*STARTS, ProcessStart(60.0, "2026-11-23T02:31:00.000Z", waited_s=600.0)]
    axis = utc(100.0, starts)
    [row] = rows([], axis.breaks(), axis)
    assert (row.name, row.when, row.took) == ("not running", "02:01:00 to 02:31:00", "30 min 00 s")
    assert "10 min 00 s of it, one waited for the end of a silence" in row.why


def test_a_kind_that_only_a_later_version_knows_is_told_by_its_own_word() -> None:
    assert rows([Holdup("moonlight", 1.0, 2.0, held_s=1.0)], [], utc(9.0))[0].name == "moonlight"


@given(held=st.lists(st.tuples(st.sampled_from(list(HOLDUP_WORDS)), st.floats(0, 99), st.floats(0, 60)), max_size=40))
def test_names_of_bands_never_touch_and_stay_inside(held: list[tuple[str, float, float]]) -> None:
    found = labels([Holdup(kind, at, min(at + length, 100.0)) for kind, at, length in held], utc(100.0))
    assert all(label.has_room for label in found)
    assert not any(one.touches(other) for one, other in combinations(found, 2))
    assert bool(found) == bool(held)
