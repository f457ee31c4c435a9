"""A look at the journal that disturbs nobody: at a copy, also while a run goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.state.sqlite_journal import SqliteJournal
from engine.state.state_dir import DATABASE, RUNS, translated
from engine.values import StateFailed

ATTEMPTS = 50
"""The database itself is written to now and then only: a copy that was disturbed by that is made again."""

COPIED_AT_ONCE_BYTES = 32 << 20
"""After so much it is seen whether the copy is disturbed already: then the next one begins, right after the writing."""

WRITE_AHEAD_LOG = f"{DATABASE}-wal"


def demand_journal(state_dir: Path) -> None:
    """See to it that what is asked of the journal is not answered from nothing.

    Raises:
        StateFailed: there are runs, but no journal.
    """
    database, runs = state_dir / DATABASE, state_dir / RUNS
    with translated(runs):
        if not database.exists() and runs.is_dir() and any(runs.iterdir()):
            raise StateFailed(f"{database} is missing though there are runs; restore it")


@contextmanager
def journal_copy(state_dir: Path) -> Iterator[SqliteJournal]:
    """Open a copy of the journal, which is deleted afterwards; an empty journal where there is none.

    Nothing in the state directory is written to.

    Raises:
        StateFailed: the journal can't be read.
    """
    with TemporaryDirectory(prefix="bulk-sync-") as place:
        if (state_dir / DATABASE).exists():
            with translated(state_dir / DATABASE):
                is_whole = any(_copy(state_dir, Path(place)) for _ in range(ATTEMPTS))
            if not is_whole:
                raise StateFailed(f"{state_dir / DATABASE} is being written to without a break; try again")
        journal = SqliteJournal(Path(place), mapped=True)
        try:
            yield journal
        finally:
            journal.close()


def _copy(state_dir: Path, place: Path) -> bool:
    """Copy the database and its log; tell whether the two belong together.

    A run appends to the log, of which SQLite takes what is whole. Only when it moves the log's pages into the database
    is neither of the two enough; then the database has changed between the beginning and the end of the copying.
    """
    database, log = state_dir / DATABASE, state_dir / WRITE_AHEAD_LOG
    before = _state_of(database)
    with database.open("rb") as source, (place / DATABASE).open("wb") as target:
        while os.sendfile(target.fileno(), source.fileno(), None, COPIED_AT_ONCE_BYTES):
            if _state_of(database) != before:
                return False
    (place / WRITE_AHEAD_LOG).unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # all of it is in the database
        shutil.copyfile(log, place / WRITE_AHEAD_LOG)
    return _state_of(database) == before


def _state_of(database: Path) -> tuple[int, int, int]:
    found = database.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
