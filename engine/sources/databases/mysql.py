"""MySQL and MariaDB: an unbuffered cursor in one consistent snapshot, each value as the text that the server sends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, Unreachable, missing_driver
from engine.sources.databases.mysql_watch import Watch
from engine.sources.databases.session import CONNECT_S, Finding, IsNeeded, StillWanted, refuse_doubles
from engine.sources.databases.text_columns import Column, ColumnKind, batch_of, schema_of
from engine.values import AccessRefused, ConfigError, SourceUntrusted

if TYPE_CHECKING:
    import pymysql

ROWS_AT_ONCE = 5_000

_BEGIN = (
    "SET SESSION time_zone = '+00:00', SESSION net_write_timeout = 600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_UNSIGNED_FLAG = 32
_BINARY_CHARSET = 63
_FLOAT, _YEAR, _BIT, _JSON, _DECIMAL = 4, 13, 16, 245, 246
_KINDS: Mapping[int, ColumnKind] = {
    0: "number",  # decimal
    1: "integer",  # tinyint: BOOLEAN is a name for it, and holds any number of its range
    2: "integer",
    3: "integer",
    _FLOAT: "float32",
    5: "float64",
    7: "moment_in_utc",  # timestamp
    8: "integer",
    9: "integer",
    10: "date",
    12: "moment",  # datetime
    _YEAR: "integer",
    _JSON: "json",
    _DECIMAL: "number",
}
"""The types by their numbers in the protocol. All others are text, TIME too, which may be longer than a day."""
_TEXT_OR_BYTES = {15, 249, 250, 251, 252, 253, 254}
_GEOMETRY = 255

_REFUSED = {1044, 1045, 1142, 1143, 1698, 1130, 1227, 1370, 1820, 1862, 3118, 4151}
_IS_WRONG = {1049, 1051, 1052, 1054, 1055, 1056, 1060, 1064, 1103, 1109, 1146, 1149, 1176, 1305, 1356, 1792}
_NOBODY_ANSWERS = {1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1927, *range(2000, 2060)}


def connect(
    asked: DatabaseQuery, password: str | None, still_wanted: StillWanted, _is_needed: IsNeeded
) -> MysqlSession:
    """Connect, begin the snapshot and the statement; see `Connect`."""
    try:
        import pymysql
    except ImportError:
        raise missing_driver("mysql") from None
    try:
        connection = connect_to(asked, password)
    except (pymysql.Error, OSError) as error:
        raise _translated(error, asked) from None
    try:
        return MysqlSession(asked, password, connection, still_wanted)
    except BaseException:
        _hang_up(connection)
        raise


def connect_to(asked: DatabaseQuery, password: str | None) -> pymysql.Connection[Any]:
    """Return a new connection; raises what the driver does."""
    from pymysql import connect
    from pymysql.cursors import SSCursor

    options_of_user = Path("~/.my.cnf").expanduser()
    return connect(
        **_parameters(asked.url),
        password=password or "",
        charset="utf8mb4",
        conv={},  # values stay the text that the server sends
        autocommit=True,
        connect_timeout=CONNECT_S,
        cursorclass=SSCursor,
        read_default_file=str(options_of_user) if password is None and options_of_user.exists() else None,
    )


def _parameters(url: str) -> dict[str, Any]:
    """Return what a url says, by the names of the driver; `ssl_ca` and `unix_socket` may stand behind `?`."""
    parts = urlsplit(url)
    known = {name: value for name, value in parse_qsl(parts.query) if name in ("ssl_ca", "unix_socket")}
    if len(known) < len(parse_qsl(parts.query)):
        raise ConfigError("source.database: of a MySQL url, only ssl_ca and unix_socket are known behind the `?`")
    return {
        "host": parts.hostname or "localhost",
        "port": parts.port or 3306,
        "user": unquote(parts.username) if parts.username else None,
        "database": unquote(parts.path.lstrip("/")),
        **known,
    }


class MysqlSession:
    """A statement that runs; see `Session`. The server holds its snapshot until the connection ends."""

    def __init__(
        self,
        asked: DatabaseQuery,
        password: str | None,
        connection: pymysql.Connection[Any],
        still_wanted: StillWanted,
    ) -> None:
        self._asked = asked
        self._connection = connection
        self._watch = Watch(partial(connect_to, asked, password), connection, still_wanted)
        for statement in _BEGIN:
            self._execute(statement)
        described = self._execute(f"SELECT * FROM (\n{asked.statement('`')}\n) AS asked LIMIT 0")  # noqa: S608
        fields = described._result.fields  # its description has no character sets
        described.close()
        self._columns = [Column(field.name, _kind_of(field)) for field in fields]
        self._bits = {index for index, field in enumerate(fields) if field.type_code == _BIT}
        refuse_doubles(self.names)
        self._statement = _with_whole_floats(asked.statement("`"), fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.end()
        _hang_up(self._connection)

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""
        return [column.name for column in self._columns]

    @property
    def schema(self) -> pa.Schema:
        """The columns; see `Session`."""
        return schema_of(self._columns)

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; the driver raises if the protocol's end does not come. See `Session`."""
        cursor = self._execute(self._statement)
        while rows := self._rows(cursor):
            columns = [list(column) for column in zip(*rows, strict=True)]
            for index in self._bits:
                columns[index] = [None if value is None else str(int.from_bytes(value)) for value in columns[index]]
            yield batch_of(self._columns, [_array(column) for column in columns])

    def findings(self) -> Sequence[Finding]:
        """Say what the server is, and what it thinks of the statement; see `Session`."""
        version, user = self._one("SELECT VERSION(), CURRENT_USER()")
        explained = self._execute(f"EXPLAIN {self._asked.statement('`')}")
        names = [column[0] for column in explained.description]
        rows = [dict(zip(names, row, strict=True)) for row in explained.fetchall()]
        expected = max((int(row["rows"] or 0) for row in rows), default=0)
        return [
            Finding(f"MySQL or MariaDB {version}, as {user}; sessions are in UTC"),
            Finding(f"the server expects to look at {expected:,} rows"),
        ]

    def _one(self, statement: str) -> Any:
        return self._execute(statement).fetchall()[0]

    def _execute(self, statement: str) -> Any:
        import pymysql

        cursor: Any = self._connection.cursor()
        try:
            cursor.execute(statement)
        except (pymysql.Error, OSError) as error:
            raise self._watch.stopped_by or _translated(error, self._asked) from None
        self._watch.alive()
        return cursor

    def _rows(self, cursor: Any) -> Sequence[tuple[Any, ...]]:
        import pymysql

        try:
            rows: Sequence[tuple[Any, ...]] = cursor.fetchmany(ROWS_AT_ONCE)
        except (pymysql.Error, OSError, UnicodeDecodeError) as error:
            raise self._watch.stopped_by or _translated(error, self._asked) from None
        self._watch.alive()
        return rows


def _kind_of(field: Any) -> ColumnKind:
    kind = _KINDS.get(field.type_code, "text")
    if kind == "number" and field.scale == 0:
        return "whole"
    if kind == "integer" and field.flags & _UNSIGNED_FLAG:
        return "unsigned"
    if field.type_code == _BIT:
        return "unsigned"
    is_binary = field.charsetnr == _BINARY_CHARSET
    return "bytes" if field.type_code == _GEOMETRY or (field.type_code in _TEXT_OR_BYTES and is_binary) else kind


def _with_whole_floats(statement: str, fields: Sequence[Any]) -> str:
    """Return a statement with the same rows, in which floats of 32 bits come with all digits, not with six."""
    if all(field.type_code != _FLOAT for field in fields):
        return statement
    names = ["`" + field.name.replace("`", "``") + "`" for field in fields]
    columns = [
        f"(asked.{name} + 0E0) AS {name}" if field.type_code == _FLOAT else f"asked.{name}"
        for name, field in zip(names, fields, strict=True)
    ]
    return f"SELECT {', '.join(columns)} FROM (\n{statement}\n) AS asked"  # noqa: S608 - the user's own statement


def _array(values: list[Any]) -> pa.Array:
    is_binary = any(isinstance(value, bytes) for value in values)
    return pa.array(values, pa.binary() if is_binary else pa.string())


def _hang_up(connection: pymysql.Connection[Any]) -> None:
    """Close the connection at once, without reading all that is still to come, as the driver's own `close` does."""
    if connection._result is not None:
        connection._result.unbuffered_active = False
        connection._result = None
    connection._force_close()


_VALUES = re.compile(r"'[^']*'")


def _translated(error: Exception, asked: DatabaseQuery) -> Exception:
    """Return what an error means; only what the statement is wrong about is quoted: others may quote values."""
    if isinstance(error, UnicodeDecodeError):
        return SourceUntrusted(f"{asked.label}: the server sends text that is not UTF-8")
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = _VALUES.sub("'…'", str(error.args[-1] if error.args else error)).partition("\n")[0]
    if code in _REFUSED:
        return AccessRefused(f"{asked.label}: the database refuses access ({code}): {said}; look at source.database "
                             f"and the password in {asked.password_env}")  # fmt: skip
    if code in _IS_WRONG:
        return ConfigError(f"{asked.label}: {error.args[-1]}; nothing was sent")
    if isinstance(error, OSError) or code in _NOBODY_ANSWERS or not code:
        return Unreachable(f"{asked.label} cannot be reached, or was lost: {said}")
    return Ended(f"{asked.label}: the server ended the read ({code}): {said}")
