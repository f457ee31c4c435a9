"""The state directory: its lock, its database, and how both are opened so that damage is never taken for emptiness."""

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

FORMAT_VERSION = 1
DATABASE = "journal.sqlite3"
LOCK = "lock"
RUNS = "runs"

LOCK_ATTEMPTS = 3
LOCK_PAUSE_S = 0.02
"""A look at the lock (`is_locked`) holds it for some microseconds: no reason for a run to give up."""

HELD_ELSEWHERE = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
"""How file systems say that somebody else holds a lock. Anything else means that they cannot lock at all."""

PAGE_BYTES = 4096
"""SQLite's default, and so the size of each page of a database that was made here."""

_SCHEMA = """
CREATE TABLE run (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, campaign_id TEXT NOT NULL, started_at TEXT NOT NULL,
    identity TEXT NOT NULL,           -- the settings that decide what is sent, as JSON
    fingerprint TEXT,                 -- of the source's content, as JSON; NULL until it is known
    finished INTEGER NOT NULL DEFAULT 0,
    resumes INTEGER NOT NULL DEFAULT 0,
    worked_s REAL NOT NULL DEFAULT 0,
    rejected_bytes INTEGER NOT NULL DEFAULT 0,
    requests TEXT NOT NULL DEFAULT '{}',
    telemetry TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE TABLE chunk (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, digest BLOB NOT NULL,
    read INTEGER NOT NULL, invalid INTEGER NOT NULL, superseded INTEGER NOT NULL,
    updated INTEGER NOT NULL, rejected INTEGER NOT NULL, unknown INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE reason (
    run_id TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    count INTEGER NOT NULL, example_ids TEXT NOT NULL,
    PRIMARY KEY (run_id, outcome, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE undelivered (            -- what runs could not deliver, until a later run does
    campaign_id TEXT NOT NULL, id_digest BLOB NOT NULL, run_id TEXT NOT NULL,
    from_byte INTEGER NOT NULL,       -- of the run's reject file: lines before it are of versions delivered since
    PRIMARY KEY (campaign_id, id_digest, run_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE learned (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


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
                raise _cannot_lock(path, error) from error
            if attempt < LOCK_ATTEMPTS - 1:
                time.sleep(LOCK_PAUSE_S)
        else:
            return file
    file.close()
    raise StateLocked(f"another run is using the state directory {path.parent}; nothing was sent")


def _cannot_lock(path: Path, error: OSError) -> StateFailed:
    """Two runs in one state directory would damage it, so a lock that cannot be had is no small matter."""
    return StateFailed(
        f"{path}: the file system cannot lock files ({error.strerror}), so a second run could not be kept out; "
        "set state.dir to a directory on a local disk"
    )


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


def open_database(state_dir: Path) -> sqlite3.Connection:
    """Open the database, or make a new one where no run was ever written down.

    A new one is made under another name and renamed, so an empty or half-made database is always damage.
    """
    path = state_dir / DATABASE
    if not path.exists():
        if any((state_dir / RUNS).iterdir()):
            raise StateFailed(f"{path} is missing though there are runs; restore it, or use another state.dir")
        _create_database(path)
    if path.is_symlink():
        raise StateFailed(f"{path} is a symbolic link; remove it or use another state.dir")
    if not _has_whole_pages(path):  # SQLite would make up for what is missing
        raise StateFailed(f"{path} is damaged: empty or cut off; restore it, or use another state.dir")
    db = _connect(path)
    try:
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except BaseException:
        db.close()
        raise
    if version != FORMAT_VERSION:
        db.close()
        raise StateFailed(f"{path} has format {version}, this program needs {FORMAT_VERSION}; use another state.dir")
    return db


def _has_whole_pages(path: Path) -> bool:
    size = path.stat().st_size
    return path.is_file() and size > 0 and size % PAGE_BYTES == 0


def _create_database(path: Path) -> None:
    new = path.with_suffix(".new")
    for leftover in (new, Path(f"{new}-wal"), Path(f"{new}-shm")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    db = sqlite3.connect(new, isolation_level=None)
    db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT_VERSION}; COMMIT;")
    db.close()
    new.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the file system and SQLite raise into the one error that names the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        advice = "free space or restore the directory, then run the same command again"
        raise StateFailed(f"{path}: the state can't be used ({error}); {advice}") from error
    except OSError as error:
        raise StateFailed(
            f"{path}: the state can't be used ({error.strerror}); free space or check the rights"
        ) from error
