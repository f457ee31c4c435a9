"""Asking whether a run is under way: without making the lock, and without getting in the way of a run that starts."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from engine.state import state_dir
from engine.state.state_dir import is_locked, take_lock
from engine.values.errors import StateFailed, StateLocked


def test_asking_makes_no_file(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "none" / "lock")
    assert not is_locked(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_seen_as_long_as_it_is_held(tmp_path: Path) -> None:
    with take_lock(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock")
        with pytest.raises(StateLocked):
            take_lock(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_that_cannot_lock_is_not_taken_for_another_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot_lock(file: object, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", cannot_lock)
    with pytest.raises(StateFailed, match=r"cannot lock files .*second run.*state\.dir .*local disk"):
        take_lock(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock")


def test_a_planted_link_to_the_lock_of_others_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "theirs")
    with take_lock(tmp_path / "theirs"):
        assert not is_locked(tmp_path / "lock")


def test_a_run_starts_although_somebody_keeps_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_dir, "LOCK_ATTEMPTS", 3_000)  # who asks may be kept from the CPU while holding it
    take_lock(tmp_path / "lock").close()
    began, done = Event(), Event()

    def ask() -> int:
        asked = 0
        while not done.is_set():
            is_locked(tmp_path / "lock")
            asked += 1
            began.set()
            done.wait(0.001)
        return asked

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask)
        assert began.wait(60)
        try:
            for _ in range(200):
                take_lock(tmp_path / "lock").close()
        finally:
            done.set()
        assert asking.result() > 0
