"""Oracle: Arrow's batches of the driver's thin mode, in one read-only transaction; what Arrow has no type for is text.

Numbers without a scale, dates and moments are written by the server itself: the driver's own ways round or shift them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import missing_driver
from engine.sources.databases.oracle_columns import asked_as
from engine.sources.databases.oracle_errors import translated
from engine.sources.databases.session import CONNECT_S, Finding, IsNeeded, StillWanted, refuse_doubles
from engine.sources.databases.typed_columns import typed_batch
from engine.sources.databases.typed_session import Connected, TypedSession
from engine.values import ConfigError

ROWS_AT_ONCE = 10_000
ROWS_WITH_DOCUMENTS = 1_000
"""Rows at once where a column holds documents of any length."""

_BEGIN = ("ALTER SESSION SET TIME_ZONE = '+00:00'", "SET TRANSACTION READ ONLY")
_PORT = 1521
_KEYS = {"protocol", "wallet_location", "config_dir"}


def connect(
    asked: DatabaseQuery, password: str | None, still_wanted: StillWanted, is_needed: IsNeeded
) -> OracleSession:
    """Connect, begin the snapshot, and have the statement described; see `Connect`."""
    try:
        import oracledb
    except ImportError:
        raise missing_driver("oracle") from None
    opened = partial(oracledb.connect, **_parameters(asked.url), password=password)
    driver = Connected(asked, still_wanted, opened, (oracledb.Error,), translated)
    try:
        return OracleSession(asked, driver, is_needed)
    except BaseException:
        driver.end()
        raise


def _parameters(url: str) -> dict[str, Any]:
    """Return what a url says, by the names of the driver; without a host, its path is an alias of `tnsnames.ora`."""
    parts = urlsplit(url)
    more = dict(parse_qsl(parts.query))
    if not more.keys() <= _KEYS:
        raise ConfigError(
            f"source.database: of an Oracle url, only {', '.join(sorted(_KEYS))} are known behind the `?`"
        )
    service = unquote(parts.path.strip("/"))
    place = {"host": parts.hostname, "port": parts.port or _PORT, "service_name": service}
    return {
        "user": unquote(parts.username) if parts.username else None,
        **(place if parts.hostname else {"dsn": service}),
        "tcp_connect_timeout": float(CONNECT_S),
        "expire_time": 1,  # minutes: so often the system asks whether a silent server is still there
        **more,
    }


class OracleSession(TypedSession):
    """A read-only transaction; see `Session`."""

    def __init__(self, asked: DatabaseQuery, driver: Connected, is_needed: IsNeeded) -> None:
        super().__init__(driver)
        self._asked = asked
        statement = asked.statement(fold=str.upper)
        for settings in _BEGIN:
            self._execute(settings)
        described = self._execute(f"SELECT * FROM (\n{statement}\n) asked WHERE 1 = 0").description  # noqa: S608
        self.names: Sequence[str] = [info.name for info in described]
        refuse_doubles(self.names)
        columns = [asked_as(info, is_needed(info.name), asked.label) for info in described]
        self._columns = [column.kept for column in columns]
        self._has_documents = any(column.is_document for column in columns)
        self._statement = f"SELECT {', '.join(column.sql for column in columns)} FROM (\n{statement}\n) asked"  # noqa: S608 - the user's own statement

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; the driver raises if the protocol's end does not come. See `Session`."""
        size = ROWS_WITH_DOCUMENTS if self._has_documents else ROWS_AT_ONCE
        frames = self._driver.connection.fetch_df_batches(statement=self._statement, size=size, fetch_decimals=True)
        while (frame := self._driver.call(lambda: next(frames, None))) is not None:
            for batch in pa.table(frame).to_batches():
                yield typed_batch(self._columns, batch.columns)

    def findings(self) -> Sequence[Finding]:
        """Say as whom it is read, how much that may be, and which policies hide rows; see `Session`."""
        from engine.sources.databases.oracle_facts import facts

        return facts(lambda sql, **names: list(self._execute(sql, **names).fetchall()), self._asked)

    def _execute(self, statement: str, **names: Any) -> Any:
        cursor = self._driver.connection.cursor()
        self._driver.call(lambda: cursor.execute(statement, names or None))
        return cursor
