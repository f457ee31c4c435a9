"""A kept not-before: waited for within the window, else nothing is asked, and never longer than was asked for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.run.not_before import NotBefore, name_of, respect
from engine.settings.tables import RunSettings
from engine.state.journal import Journal
from engine.state.sqlite_journal import SqliteJournal
from engine.state.thread import OwnThread
from engine.values.errors import ExitCode, Interrupted
from engine.values.stopping import Stop
from tests.run.runs import Shown, settings_of


async def respected(settings: RunSettings, kept: NotBefore | None, stop: Stop | None = None) -> tuple[float, list[str]]:
    """How many seconds it says that it has waited before the first request, and what a person is told."""
    display = Shown()
    async with OwnThread[Journal](lambda: SqliteJournal(settings.state.dir), lambda journal: journal.close()) as thread:
        if kept:
            await thread.call(thread.value.learn, name_of(settings), kept.to_json())
        return await respect(settings, thread, stop or Stop(), display), display.messages


class Pausing(Stop):
    """Notes for how long somebody pauses, and lets nobody wait: what opening a journal takes is no part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.paused_s: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)


def test_it_ends_when_it_was_said_and_lasts_no_longer_than_was_asked_for() -> None:
    kept = NotBefore(until=5_000.0, asked_s=60.0)
    assert kept.left_s(4_990.0) == 10.0
    assert kept.left_s(5_001.0) == 0.0
    assert kept.left_s(1_000.0) == 60.0  # the clock was moved back
    assert NotBefore.of(kept.to_json()) == kept
    assert NotBefore.of(None) is None


async def test_without_one_nobody_waits(tmp_path: Path) -> None:
    waited_s, said = await respected(settings_of(tmp_path), None)
    assert (waited_s, said) == (0.0, [])


async def test_one_that_is_over_is_waited_for_no_more(tmp_path: Path) -> None:
    waited_s, said = await respected(settings_of(tmp_path), NotBefore(time.time() - 1.0, 3_600.0))
    assert (waited_s, said) == (0.0, [])


async def test_one_within_the_window_is_waited_for_and_told(tmp_path: Path) -> None:
    kept, stop = NotBefore.asked_now(600.0), Pausing()
    waited_s, said = await respected(settings_of(tmp_path), kept, stop)
    assert stop.paused_s == [waited_s]
    assert 0 < kept.left_s(time.time()) <= waited_s <= 600.0
    assert "silence (Retry-After), which end at" in said[0]


async def test_one_beyond_the_window_ends_the_command_with_the_time_and_without_a_request(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, upload={"retry_window_s": 60.0})
    with pytest.raises(Interrupted, match=r"asked for 3600 s of silence .* end at 20.* longer than .*retry_window_s"):
        await respected(settings, NotBefore.asked_now(3_600.0))
    assert Interrupted("").exit_code is ExitCode.INTERRUPTED


async def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    stop = Stop()
    stop.request(Interrupted("SIGTERM"))
    with pytest.raises(Interrupted, match="SIGTERM"):
        await respected(settings_of(tmp_path), NotBefore.asked_now(600.0), stop)


async def test_it_is_about_one_campaign_of_one_api(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    other = settings_of(tmp_path, api={"campaign_id": "another"})
    with pytest.raises(Interrupted):
        await respected(settings_of(tmp_path, upload={"retry_window_s": 1.0}), NotBefore.asked_now(600.0))
    waited_s, _ = await respected(other, None)
    assert waited_s < 5.0
    assert name_of(settings) != name_of(other)
