"""What survives a crash: the journal of all runs, the reject files, the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.state.journal import (
        Journal as Journal,
        Run as Run,
        Undelivered as Undelivered,
        id_digest as id_digest,
    )
    from engine.state.private_files import (
        make_private_dir as make_private_dir,
        write_private_file as write_private_file,
    )
    from engine.state.rejects import REJECTED as REJECTED
    from engine.state.sqlite_journal import SqliteJournal as SqliteJournal
    from engine.state.state_dir import LOCK as LOCK, RUNS as RUNS, is_locked as is_locked
    from engine.state.thread import OwnThread as OwnThread
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "journal": "Journal Run Undelivered id_digest",
            "private_files": "make_private_dir write_private_file",
            "rejects": "REJECTED",
            "sqlite_journal": "SqliteJournal",
            "state_dir": "LOCK RUNS is_locked",
            "thread": "OwnThread",
        },
    )
