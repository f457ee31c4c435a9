"""SQL Server: Arrow's batches of one statement under row versioning, never with NOLOCK.

Under SNAPSHOT one statement sees one state of all rows, and so it does under READ COMMITTED where the database has
READ_COMMITTED_SNAPSHOT on. Where it allows neither, rows that move while it reads are missed, or come twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import missing_driver
from engine.sources.databases.mssql_columns import AskedColumn, Described, asked_as
from engine.sources.databases.mssql_errors import of_number, translated
from engine.sources.databases.mssql_facts import WITHOUT_SNAPSHOT, facts
from engine.sources.databases.session import CONNECT_S, Finding, IsNeeded, StillWanted, refuse_doubles
from engine.sources.databases.typed_columns import typed_batch
from engine.sources.databases.typed_session import Connected, TypedSession
from engine.values import ConfigError

ROWS_AT_ONCE = 10_000

ISOLATION = (
    "SELECT snapshot_isolation_state, is_read_committed_snapshot_on FROM sys.databases WHERE database_id = DB_ID()"
)
DESCRIBE = (
    "SELECT name, system_type_name, scale, error_number, error_message "
    "FROM sys.dm_exec_describe_first_result_set(N'{}', NULL, 0) WHERE is_hidden = 0 ORDER BY column_ordinal"
)
_ON = 1

_KEYS = {
    "application_intent": "ApplicationIntent",
    "authentication": "Authentication",
    "hostname_in_certificate": "HostnameInCertificate",
    "multi_subnet_failover": "MultiSubnetFailover",
    "server_certificate": "ServerCertificate",
}


def connect(asked: DatabaseQuery, password: str | None, still_wanted: StillWanted, is_needed: IsNeeded) -> MssqlSession:
    """Connect, choose the isolation, and have the statement described; see `Connect`."""
    try:
        import mssql_python
    except ImportError:
        raise missing_driver("mssql") from None
    mssql_python.pooling(enabled=False)  # a connection that was used before has another isolation
    opened = partial(mssql_python.connect, _connection_string(asked.url, password), autocommit=True, timeout=CONNECT_S)
    failures = (mssql_python.Error, mssql_python.ConnectionStringParseError)
    driver = Connected(asked, still_wanted, opened, failures, translated)
    try:
        return MssqlSession(asked, driver, is_needed)
    except BaseException:
        driver.end()
        raise


def _connection_string(url: str, password: str | None) -> str:
    parts = urlsplit(url)
    more = dict(parse_qsl(parts.query))
    if not more.keys() <= _KEYS.keys():
        raise ConfigError(f"source.database: of a SQL Server url, only {', '.join(_KEYS)} are known behind the `?`")
    given = {
        "Server": f"{parts.hostname or 'localhost'},{parts.port or 1433}",
        "Database": unquote(parts.path.strip("/")),
        "Encrypt": "yes",
        **{_KEYS[name]: value for name, value in more.items()},
    }
    if parts.username:
        given |= {"UID": unquote(parts.username)} | ({"PWD": password} if password else {})
    elif "authentication" not in more:
        given["Trusted_Connection"] = "yes"  # by Kerberos
    return "".join(f"{name}={{{value.replace('}', '}}')}}};" for name, value in given.items())


class MssqlSession(TypedSession):
    """A connection with its isolation; see `Session`."""

    def __init__(self, asked: DatabaseQuery, driver: Connected, is_needed: IsNeeded) -> None:
        super().__init__(driver)
        self._asked = asked
        self._isolation = self._begun()
        statement = asked.statement("[", "]")
        described = self._described(statement)
        self.names: Sequence[str] = [column.name for column in described]
        refuse_doubles(self.names)
        columns = [asked_as(column, is_needed(column.name), asked) for column in described]
        self._columns = [column.kept for column in columns]
        self._statement = _with_text(asked, statement, columns)

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; the driver raises if the protocol's end does not come. See `Session`."""
        cursor = self._execute(self._statement)
        while len(batch := self._driver.call(partial(cursor.arrow_batch, ROWS_AT_ONCE))):
            yield typed_batch(self._columns, batch.columns)
        if self._driver.call(cursor.nextset):
            raise ConfigError("source.query: must be one statement")

    def findings(self) -> Sequence[Finding]:
        """Say as whom it is read, under which isolation, and which policies hide rows; see `Session`."""
        return facts(self._rows, self._asked, self._isolation)

    def _begun(self) -> str | None:
        """Choose how the rows are read; return None where nothing keeps them from changing meanwhile.

        Raises:
            ConfigError: so it is, and the configuration does not say that this is accepted.
        """
        [(snapshot, versioned)] = self._rows(ISOLATION)
        if snapshot == _ON:
            self._execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
            return "SNAPSHOT"
        self._execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        if versioned:
            return "READ_COMMITTED_SNAPSHOT"
        if not self._asked.without_snapshot:
            raise ConfigError(
                f"{self._asked.label}: {WITHOUT_SNAPSHOT}. Have it allowed (ALTER DATABASE … SET "
                "ALLOW_SNAPSHOT_ISOLATION ON), or accept that with source.without_snapshot = true; nothing was sent"
            )
        return None

    def _described(self, statement: str) -> Sequence[Described]:
        """Have the server say what the columns are, without running the statement."""
        rows = self._rows(DESCRIBE.format(statement.replace("'", "''")))
        for *_, number, message in rows:
            if number is not None:
                raise of_number(int(number), str(message), self._asked)
        if not rows:
            raise ConfigError("source.query: must be a SELECT: this statement has no columns")
        return [Described(str(name or ""), str(type_ or ""), int(scale or 0)) for name, type_, scale, *_ in rows]

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self._execute(statement)
        return [tuple(row) for row in self._driver.call(cursor.fetchall)]

    def _execute(self, statement: str) -> Any:
        cursor = self._driver.call(self._driver.connection.cursor)
        self._driver.call(partial(cursor.execute, statement))
        return cursor


def _with_text(asked: DatabaseQuery, statement: str, columns: Sequence[AskedColumn]) -> str:
    """Return a statement with the same rows, of which the server writes as text what its driver would shorten.

    A query may begin with WITH and end with ORDER BY, and so cannot stand in another one: the server is told what types
    its columns are to have.
    """
    if asked.table is not None:
        return asked.statement("[", "]", columns=", ".join(column.selected for column in columns))
    if all(column.declared is None for column in columns):
        return statement
    quoted = statement.replace("'", "''")
    types = ", ".join(f"{column.quoted} {column.declared or column.type}" for column in columns)
    return f"EXECUTE sp_executesql N'{quoted}' WITH RESULT SETS (({types}))"
