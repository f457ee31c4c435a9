"""What the file system and SQLite raise, as the one error of the state directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.values import StateFailed


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
        raise StateFailed(
            f"{path}: the state can't be used ({error.strerror}); free space or check the rights"
        ) from error
