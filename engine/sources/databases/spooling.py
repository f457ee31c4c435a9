"""From a database to a complete spool, in as many attempts as that takes; each reads a new snapshot from its start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, ReadFailed
from engine.sources.databases.needed import Needed
from engine.sources.databases.session import Connect, Finding, IsNeeded, Piece, Session, StillWanted
from engine.sources.databases.spool import Spool, SpoolWriter
from engine.sources.spec import SourceSpec
from engine.values import Interrupted, SourceUntrusted

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)
"""How long to wait after each failure; as long as the last one after later ones."""

_POLL_S = 0.2

T = TypeVar("T")


def spool_result(
    asked: DatabaseQuery,
    spec: SourceSpec,
    directory: Path,
    *,
    password: Callable[[], str | None],
    retry_window_s: float,
    still_wanted: StillWanted,
    counted: Callable[[int], None],
) -> Spool:
    """Read all of the result into a file below `directory`. Blocks; called in a thread.

    Args:
        asked: What is asked.
        spec: How it is mapped: what does not fit the columns is said before a row is read.
        directory: Where the file lies.
        password: Reads the password, for each attempt anew.
        retry_window_s: How long failures are tried again, from the first one on.
        still_wanted: See `StillWanted`.
        counted: Is told how many rows were read so far in this attempt.

    Raises:
        ConfigError: the statement, the table or the mapping is wrong, or a driver is missing.
        AccessRefused: the database refuses the login or the table.
        SourceUntrusted: the read ends twice for the same reason, or fails on a value.
        Interrupted: the database was out of reach for longer than `retry_window_s`.
        StateFailed: the file cannot be written.
    """

    def attempt() -> Spool:
        return _spooled(asked, spec, directory, password(), still_wanted, counted)[0]

    return tried(attempt, asked.label, retry_window_s, still_wanted)


def first_rows(
    asked: DatabaseQuery,
    spec: SourceSpec | None,
    directory: Path,
    *,
    password: Callable[[], str | None],
    rows_max: int,
) -> tuple[Spool, bool]:
    """Read about the first `rows_max` rows, in one attempt; return them, and whether they are all.

    Without a `spec`, nothing is known of the columns yet, and all are kept that have a form.

    Raises:
        EngineError: as `spool_result`; without another attempt.
    """

    def attempt() -> tuple[Spool, bool]:
        return _spooled(asked, spec, directory, password(), _always, lambda _: None, rows_max)

    return tried(attempt, asked.label, 0.0, _always)


def _spooled(
    asked: DatabaseQuery,
    spec: SourceSpec | None,
    directory: Path,
    password: str | None,
    still_wanted: StillWanted,
    counted: Callable[[int], None],
    rows_max: int | None = None,
) -> tuple[Spool, bool]:
    """Read the result, or until it has `rows_max` rows, in one attempt; return it, and whether it is all."""
    counted(0)
    read = 0
    needed = Needed(spec)
    with connected(asked, password, still_wanted, needed.is_needed) as session:
        taken_at = time.time()
        needed.check(session, asked)
        with SpoolWriter(directory, asked, needed.schema(session.schema), taken_at) as spool:
            for piece in map(needed.of, session.pieces()):
                spool.write(piece)
                read += _rows_in(piece)
                counted(read)
                if rows_max is not None and read >= rows_max:
                    return spool.keep(), False
            return spool.keep(), True


def look_at(asked: DatabaseQuery, *, password: Callable[[], str | None]) -> Sequence[Finding]:
    """Return what should be known of the database and the statement before the night.

    Raises:
        EngineError: as `spool_result`; without another attempt.
    """

    def attempt() -> Sequence[Finding]:
        with connected(asked, password(), _always) as session:
            return session.findings()

    return tried(attempt, asked.label, 0.0, _always)


def connected(
    asked: DatabaseQuery, password: str | None, still_wanted: StillWanted, is_needed: IsNeeded = bool
) -> Session:
    """Return a session of the database that was asked; see `Connect`."""
    return _connect_of(asked)(asked, password, still_wanted, is_needed)


def _connect_of(asked: DatabaseQuery) -> Connect:
    """Return what connects to this kind of database; its module is imported here, and with it its driver."""
    connect: Connect
    match asked.kind:
        case "postgresql":
            from engine.sources.databases.postgres import connect
        case "mysql":
            from engine.sources.databases.mysql import connect
        case "mssql":
            from engine.sources.databases.mssql import connect
        case "oracle":
            from engine.sources.databases.oracle import connect
        case "sqlite":
            from engine.sources.databases.sqlite_file import connect
        case "duckdb":
            from engine.sources.databases.duckdb_file import connect
    return connect


def tried(attempt: Callable[[], T], label: str, window_s: float, still_wanted: StillWanted) -> T:
    """Return what an attempt returns, after as many as fit into the window.

    Raises:
        SourceUntrusted: the server has ended two of them for the same reason.
        Interrupted: the window is over.
    """
    first_failure: float | None = None
    reasons: set[str] = set()
    for pause_s in _pauses():
        try:
            return attempt()
        except ReadFailed as failure:
            reason, now = str(failure), time.monotonic()
            first_failure = now if first_failure is None else first_failure
            if isinstance(failure, Ended) and (reason in reasons or not window_s):
                again = ", twice: it would do so again" if reason in reasons else ""
                raise SourceUntrusted(f"{reason}{again}") from None
            reasons.add(reason)
            if now + pause_s - first_failure > window_s:
                raise Interrupted(f"{reason}; nothing was sent. Run the same command again to try it anew") from None
        _pause(pause_s, still_wanted)
    raise AssertionError(label)  # pauses never end


def _pauses() -> Iterator[float]:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]


def _pause(seconds: float, still_wanted: StillWanted) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        still_wanted()
        time.sleep(min(left, _POLL_S))


def _rows_in(piece: Piece) -> int:
    return piece.count(b"\n") if isinstance(piece, bytes) else len(piece)


def _always() -> None:
    """Go on: nobody stops a look."""
