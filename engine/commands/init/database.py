"""A look at a database, for `init`: its first rows, as a file that is looked at like any other."""

from __future__ import annotations

from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.commands.init.source import Survey, survey_result
from engine.sources import DatabaseQuery, first_rows

ROWS_MAX = 10_000


def survey_database(asked: DatabaseQuery) -> Survey:
    """Look at what is asked of a database.

    Raises:
        EngineError: it cannot be read, or holds no row.
    """
    with TemporaryDirectory(prefix="bulk-sync-") as directory:
        spool, is_all = first_rows(
            asked,
            None,
            Path(directory),
            password=lambda: environ.get(asked.password_env) or None,
            rows_max=ROWS_MAX,
        )
        found = survey_result(asked, spool)
    found.is_complete = found.is_complete and is_all
    return found
