"""The state directory: the names in it, its lock, and the one error that whatever fails in it becomes."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.values import StateFailed, StateLocked

DATABASE = "journal.sqlite3"
LOCK = "lock"
RUNS = "runs"

LOCK_ATTEMPTS = 3
LOCK_PAUSE_S = 0.02
"""A look at the lock (`is_locked`) holds it for some microseconds: no reason for a run to give up."""

HELD_ELSEWHERE = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
"""How file systems say that somebody else holds a lock. Anything else means that they cannot lock at all."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn whatever the file system and SQLite raise about the file at `path` into an error that names it.

    Raises:
        StateFailed: something was raised.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        advice = "free space or restore the directory, then run the same command again"
        raise StateFailed(f"{path}: the state can't be used ({error}); {advice}") from error
    except OSError as error:
        advice = "free space or check the rights"
        raise StateFailed(f"{path}: the state can't be used ({error.strerror}); {advice}") from error


def take_lock(path: Path) -> BinaryIO:
    """Lock the state directory; the kernel gives the lock back when the process ends, however it ends.

    Raises:
        StateLocked: another run holds the lock.
        StateFailed: the file cannot be opened, or locks do not work here.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b")
    except OSError as error:
        raise StateFailed(f"{path}: cannot be opened: {error.strerror}") from error
    for attempt in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD_ELSEWHERE:
                file.close()
                raise StateFailed(  # two runs in one state directory would damage it
                    f"{path}: the file system cannot lock files ({error.strerror}), so a second run could not be kept "
                    "out; set state.dir to a directory on a local disk"
                ) from error
            if attempt < LOCK_ATTEMPTS - 1:
                time.sleep(LOCK_PAUSE_S)
        else:
            return file
    file.close()
    raise StateLocked(f"another run is using the state directory {path.parent}; nothing was sent")


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock at `path`; never makes the file, never waits.

    A free lock is held, shared, for the moment of asking, which `take_lock` outlasts. Where locks do not work, nobody
    holds one.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in HELD_ELSEWHERE
    return False
