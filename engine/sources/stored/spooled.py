"""Results of databases as a store: files below the state directory that are called by what was asked."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Literal

from engine.sources.stored.local import LocalStore
from engine.sources.stored.store import StoredObject, StoredStream
from engine.values import ConfigError

DatabaseKind = Literal["postgresql", "mysql", "mssql", "oracle", "sqlite", "duckdb"]

SCHEMES: Mapping[str, DatabaseKind] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "mssql",
    "oracle": "oracle",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
}
"""What stands before the `://` of a database's url."""


class SpooledStore:
    """Files that were written from a database: their `identity` is where they lie, their `path` what was asked."""

    def __init__(self) -> None:
        self._files = LocalStore()

    def list(self, pattern: str) -> Sequence[StoredObject]:
        """Refuse: what a database holds is no file before it was asked for.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"source.path: {pattern} is a database; name it in source.database, and a table or a query")

    def open(self, stored: StoredObject, start: int = 0) -> io.FileIO:
        """Open the file, seekable; see `Store`."""
        return self._files.open(_where_it_lies(stored), start)

    def verify(self, stored: StoredObject, stream: StoredStream | None = None) -> None:
        """Compare the file with what was written; see `Store`."""
        self._files.verify(_where_it_lies(stored), stream)

    def content_encoding(self, _stored: StoredObject) -> str | None:
        """Return None: nothing is packed but by itself."""
        return None


def _where_it_lies(stored: StoredObject) -> StoredObject:
    return stored._replace(path=stored.identity)
