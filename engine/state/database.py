"""The database of a state directory, opened so that damage is never taken for emptiness, and changed in transactions.

One connection, used by one thread at a time, `synchronous=FULL`: a commit that returned survives a power cut
(https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from engine.state.migrations import migrate, upgrade
from engine.state.private_files import FILE_MODE, NEW_FILE, sync_dir
from engine.state.state_dir import DATABASE, RUNS, translated
from engine.values import StateFailed

MAPPED_BYTES_MAX = 1 << 40
"""More than any database has."""

PAGE_BYTES = 4096
"""SQLite's default, and so the size of each page of a database that was made here."""


class Database:
    """The open database of `state_dir`, of the format of this program.

    It may be `mapped`, which makes reading all of it quicker, if nobody else can cut its file.

    Raises (every method):
        StateFailed: it can't be read, or a change can't be made durable.
    """

    def __init__(self, state_dir: Path, *, mapped: bool = False) -> None:
        self._path = state_dir / DATABASE
        with translated(self._path):
            self._connection = _open(self._path, state_dir / RUNS, MAPPED_BYTES_MAX if mapped else 0)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return what `query` finds: of each row the columns, by name or in their order."""
        with translated(self._path):
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] = ()) -> Any:
        """Return the first row that `query` finds, or None."""
        with translated(self._path):
            return self._connection.execute(query, values).fetchone()

    def change(self, statement: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
        """Execute `statement` for each of `rows`; durable with the transaction around it."""
        with translated(self._path):
            self._connection.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes in the block durable together at its end, or none of them if it raises."""
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close it. What did not fit on a full disk never counted and is left behind."""
        with suppress(sqlite3.Error):
            self._connection.close()


def _open(path: Path, runs: Path, mapped_bytes: int) -> sqlite3.Connection:
    """Open the database, or make a new one where no run was ever written down.

    A new one is made under another name and renamed, so an empty or half-made database is always damage.
    """
    if not path.exists():
        if any(runs.iterdir()):
            raise StateFailed(f"{path} is missing though there are runs; restore it, or use another state.dir")
        _create(path)
    if path.is_symlink():
        raise StateFailed(f"{path} is a symbolic link; remove it or use another state.dir")
    size = path.stat().st_size if path.is_file() else 0
    if size == 0 or size % PAGE_BYTES:  # SQLite would make up for what is missing
        raise StateFailed(f"{path} is damaged: empty or cut off; restore it, or use another state.dir")
    db = _connect(path)
    try:
        db.execute(f"PRAGMA mmap_size = {mapped_bytes}")
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
        upgrade(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _create(path: Path) -> None:
    new = path.with_suffix(".new")
    for leftover in (new, Path(f"{new}-wal"), Path(f"{new}-shm")):
        leftover.unlink(missing_ok=True)
    with os.fdopen(os.open(new, NEW_FILE, FILE_MODE), "wb") as file:
        with closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = MEMORY")  # nobody goes on with one that is half made, so it is
            db.execute("PRAGMA synchronous = OFF")  # synced once, when it is whole
            migrate(db)
            db.execute("PRAGMA journal_mode = WAL")  # which its header keeps
        os.fsync(file.fileno())
    new.rename(path)
    sync_dir(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db
