"""Late copies across processes: how long to wait for what others have left, whatever was done to the clock."""

from __future__ import annotations

import time
from math import inf
from pathlib import Path

import pytest

from engine.pipeline.late_copies import ALL_SEQS
from engine.run.late_copies import SILENT_S, DurableLateCopies, late_copy_s, wait_for_others_s
from engine.state.journal import Run
from engine.state.late_copies import Left
from tests.run.runs import settings_of

NOW = 1_800_000_000.0


def of(**changes: object) -> DurableLateCopies:
    """What a process knows of its run, whose loop has run for 1,000 seconds at `NOW`."""
    run = Run("run-1", "sync", "camp", "2026-11-28T02:00:00.000Z", {}, **changes)  # type: ignore[arg-type]
    return DurableLateCopies(run, 60.0, now=lambda: 1_000.0, wall=lambda: NOW)


def test_by_default_a_request_may_land_for_as_long_as_it_is_waited_for(tmp_path: Path) -> None:
    assert late_copy_s(settings_of(tmp_path, api={"timeout_s": 77.0})) == 77.0
    given = settings_of(tmp_path, api={"timeout_s": 77.0}, upload={"late_copy_s": 5.0})
    assert late_copy_s(given) == 5.0


def test_what_an_earlier_process_has_noted_is_known_in_time_of_the_loop() -> None:
    late = of(late_copies={3: NOW + 20.0, 4: NOW - 5.0})
    assert late.of_pipeline.until(3) == 1_020.0
    assert late.of_pipeline.until(4) == -inf  # it is over
    assert of(alive_at=NOW - 1_000.0, late_copies={4: NOW - 5.0}).of_pipeline.before_until == -inf


def test_a_clock_that_was_moved_makes_nobody_wait_longer_than_a_copy_can_live() -> None:
    assert of(late_copies={3: NOW + 86_400.0}).of_pipeline.until(3) == 1_060.0


def test_what_a_killed_process_had_in_flight_may_land_too() -> None:
    killed = of(alive_at=NOW - 10.0).of_pipeline
    killed.sent_again(0)
    assert killed.until(0) == 1_000.0 - 10.0 + SILENT_S + 60.0
    ended = of(alive_at=None).of_pipeline
    ended.sent_again(0)
    assert ended.until(0) < 0


def test_what_a_killed_process_had_in_flight_is_known_after_one_that_ended_without_sending() -> None:
    until = NOW - 10.0 + SILENT_S + 60.0
    left = of(alive_at=NOW - 10.0).not_durable()
    assert left == {ALL_SEQS: until}
    third = of(alive_at=None, late_copies=left).of_pipeline
    third.sent_again(0)
    assert third.until(0) == 1_000.0 + until - NOW
    killed_too = of(alive_at=NOW - 30.0, late_copies=left).of_pipeline
    killed_too.sent_again(0)
    assert killed_too.until(0) == third.until(0)


def test_what_is_not_durable_yet_is_told_once_in_time_of_the_wall() -> None:
    late = of()
    late.of_pipeline.note(7, sent_at=1_000.0)
    assert late.not_durable() == {7: NOW + 60.0}
    assert late.not_durable() == {}
    late.of_pipeline.note(7, sent_at=1_005.0)
    assert late.not_durable() == {7: NOW + 65.0}


@pytest.mark.parametrize(
    ("until_in_s", "killed_in_s", "wait_s"),
    [
        (None, None, 0.0),
        (30.0, None, 30.0),
        (-1.0, None, 0.0),
        (86_400.0, None, 60.0),
        (None, -10.0, 50.0 + SILENT_S),
        (None, -1_000.0, 0.0),
        (None, 86_400.0, 60.0 + SILENT_S),
        (55.0, -10.0, 55.0),
    ],
)
def test_another_run_waits_for_whatever_lands_last(
    until_in_s: float | None, killed_in_s: float | None, wait_s: float
) -> None:
    now = time.time()
    left = Left(*(None if seconds is None else now + seconds for seconds in (until_in_s, killed_in_s)))
    assert wait_for_others_s(left, 60.0) == pytest.approx(wait_s, abs=5.0)
