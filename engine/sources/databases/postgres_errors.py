"""What PostgreSQL and libpq complain of → what the engine does about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, Unreachable
from engine.values import AccessRefused, ConfigError, SourceUntrusted

if TYPE_CHECKING:
    import psycopg

_REFUSED_WORDS = re.compile(
    "password authentication failed|no password supplied|no pg_hba.conf entry|authentication failed|"
    "role .* does not exist|is not permitted to log in|permission denied for database|no such user|"
    "certificate|peer authentication"
)
"""What libpq says of a refused login: it tells no code of it."""
_NO_DATABASE = re.compile("database .* does not exist|no such database")
_NOBODY_ANSWERS = ("08", "53", "57P", "58")
_STATEMENT_IS_WRONG = ("42", "25", "0A", "3D", "3F", "26")


def translated(error: psycopg.Error, asked: DatabaseQuery) -> Exception:
    """Return what an error of a statement or a login means: an `EngineError`, or a `ReadFailed`."""
    code = error.sqlstate
    if code is None:
        return _of_login(str(error), asked)
    said = _first_line(error.diag.message_primary or str(error))
    if code.startswith("28") or code == "42501":
        return AccessRefused(f"{asked.label}: the database refuses access: {said}")
    if code.startswith(_STATEMENT_IS_WRONG):
        return ConfigError(f"{asked.label}: {said}; nothing was sent")
    if code.startswith("22"):  # its text may quote a value
        return SourceUntrusted(f"{asked.label}: the query fails on a value ({type(error).__name__}, {code})")
    if code.startswith(_NOBODY_ANSWERS):
        return Unreachable(f"{asked.label}: {said}")
    return Ended(f"{asked.label}: the server ended the read: {said}")


def lost(error: psycopg.Error, pgconn: psycopg.pq.abc.PGconn, asked: DatabaseQuery) -> Exception:
    """Return what it means that a read in progress has failed: the server may have said why before it hung up."""
    if error.sqlstate is not None:
        return translated(error, asked)
    result = None
    try:
        result = pgconn.get_result()
    except Exception:  # the connection is gone; the first error says so
        result = None
    code = result.error_field(ord("C")) if result is not None else None
    if result is not None and code:
        from psycopg.errors import error_from_result

        return translated(error_from_result(result), asked)
    return Unreachable(f"{asked.label}: the connection was lost in mid-read")


def _of_login(text: str, asked: DatabaseQuery) -> Exception:
    if _NO_DATABASE.search(text):
        return ConfigError(f"{asked.label}: {_first_line(text)}; nothing was sent")
    if _REFUSED_WORDS.search(text):
        return AccessRefused(
            f"{asked.label}: the database refuses the login: {_first_line(text)}; look at source.database and the "
            f"password in {asked.password_env}"
        )
    return Unreachable(f"{asked.label} cannot be reached: {_first_line(text)}")


def _first_line(text: str) -> str:
    """Return the first sentence; what follows it may quote a row or the statement."""
    return text.strip().partition("\n")[0]
