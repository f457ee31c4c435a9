"""SQLite files, opened read-only: each value by its own storage class, whatever its column was declared to be."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Self
from urllib.parse import quote

import pyarrow as pa

from engine.sources.databases.address import DatabaseQuery, file_of
from engine.sources.databases.failures import Unreachable
from engine.sources.databases.session import Finding, IsNeeded, StillWanted, refuse_doubles
from engine.values import ConfigError, EngineError, SourceMissing, SourceUntrusted

ROWS_AT_ONCE = 2_000
STEPS_BETWEEN_LOOKS = 1_000_000
"""After so many steps of SQLite's machine it is asked whether the read is still wanted: some ten times a second."""
BUSY_S = 5.0
"""So long a writer's lock is waited for in one attempt."""

_BUSY, _LOCKED, _READ_ONLY, _ERROR = sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, 1


def connect(
    asked: DatabaseQuery, _password: str | None, still_wanted: StillWanted, is_needed: IsNeeded
) -> SqliteSession:
    """Open the file and begin the statement; see `Connect`."""
    path = file_of(asked.url)
    if not path.exists():
        raise SourceMissing(f"{asked.label}: {path} does not exist")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise _translated(error, asked) from None
    try:
        return SqliteSession(asked, connection, still_wanted, is_needed)
    except BaseException:
        connection.close()
        raise


class SqliteSession:
    """A statement that runs; see `Session`. One statement sees one state of the file."""

    schema = None
    """Each value has a type of its own."""

    def __init__(
        self,
        asked: DatabaseQuery,
        connection: sqlite3.Connection,
        still_wanted: StillWanted,
        is_needed: IsNeeded,
    ) -> None:
        self._asked = asked
        self._connection = connection
        self._still_wanted = still_wanted
        self._stopped_by: EngineError | None = None
        self._row = 0
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")  # NDJSON refuses what is none
        connection.set_progress_handler(self._look, STEPS_BETWEEN_LOOKS)
        try:
            self._cursor = connection.execute(asked.statement())
        except sqlite3.Error as error:
            raise self._raised(error) from None
        if self._cursor.description is None:
            raise ConfigError("source.query: must be a SELECT: this statement has no columns")
        self.names = [column[0] for column in self._cursor.description]
        refuse_doubles(self.names)
        self._needed = [is_needed(name) for name in self.names]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the rows as flat lines; see `Session`."""
        keys = [json.dumps(name, ensure_ascii=False) for name in self.names]
        while rows := self._rows():
            floats = iter(_written([value for row in rows for value in row if isinstance(value, float)]))
            lines = []
            for row in rows:
                self._row += 1
                members = [self._member(index, value, keys[index], floats) for index, value in enumerate(row)]
                lines.append(f"{{{','.join(members)}}}\n")
            yield "".join(lines).encode("utf-8", "surrogateescape")

    def findings(self) -> Sequence[Finding]:
        """Say what reads the file; see `Session`."""
        return [Finding(f"SQLite {sqlite3.sqlite_version}, opened read-only: {file_of(self._asked.url)}")]

    def _rows(self) -> list[tuple[Any, ...]]:
        self._still_wanted()
        try:
            return self._cursor.fetchmany(ROWS_AT_ONCE)
        except sqlite3.Error as error:
            raise self._raised(error) from None

    def _member(self, index: int, value: Any, key: str, floats: Iterator[str]) -> str:
        if isinstance(value, float):
            text = next(floats)
        elif isinstance(value, str):
            text = json.dumps(value, ensure_ascii=False)
        elif isinstance(value, bytes):
            text = "null"
            if self._needed[index]:
                name = self.names[index]
                raise ConfigError(
                    f"{self._asked.label}: column {name!r} holds a BLOB (row {self._row}), which has no JSON form; "
                    "leave it out (source.exclude), or ask for CAST(… AS TEXT) or hex(…)"
                )
        else:
            text = "null" if value is None else str(value)
        return f"{key}:{text}"

    def _look(self) -> int:
        try:
            self._still_wanted()
        except EngineError as error:
            self._stopped_by = error
            return 1
        return 0

    def _raised(self, error: sqlite3.Error) -> Exception:
        return self._stopped_by or _translated(error, self._asked)


def _written(values: list[float]) -> list[str]:
    """Return numbers as columns of Parquet are written; what is infinite becomes a word that is no JSON."""
    text: list[str] = pa.array(values, pa.float64()).cast(pa.string()).to_pylist()
    return text


def _translated(error: sqlite3.Error, asked: DatabaseQuery) -> Exception:
    """Return what an error means: a writer's lock goes, a wrong statement stays wrong, all else is damage."""
    code = getattr(error, "sqlite_errorcode", _ERROR) & 0xFF
    if code in (_BUSY, _LOCKED):
        return Unreachable(f"{asked.label}: somebody is writing to it ({error})")
    if code in (_ERROR, _READ_ONLY):
        return ConfigError(f"{asked.label}: {error}; nothing was sent")
    return SourceUntrusted(f"{asked.label} cannot be read: {error}")
