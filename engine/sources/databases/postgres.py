"""PostgreSQL: `COPY (SELECT …) TO STDOUT` in one read-only transaction, by libpq.

All settings are made by `SET LOCAL` in that transaction, so that a pooler between us may give each transaction another
server. Values come as the text that the server writes, which is exact for every type.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
from pyarrow import csv

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.failures import Ended, Unreachable, missing_driver
from engine.sources.databases.postgres_errors import lost, translated
from engine.sources.databases.session import CONNECT_S, SILENCE_S, Finding, IsNeeded, StillWanted, refuse_doubles
from engine.sources.databases.text_columns import Column, ColumnKind, batch_of, schema_of
from engine.values import ConfigError

if TYPE_CHECKING:
    import psycopg

PIECE_BYTES = 4 << 20
"""So much text of rows is made a batch of."""

_BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL extra_float_digits = 3;
SET LOCAL bytea_output = 'hex';
SET LOCAL lc_monetary = 'C';
"""

_NUMERIC = 1700
_KINDS: Mapping[int, ColumnKind] = {
    16: "boolean",
    17: "bytes",
    20: "integer",
    21: "integer",
    23: "integer",
    26: "integer",  # oid
    114: "json",
    700: "float32",
    701: "float64",
    790: "money",
    1082: "date",
    1083: "time",
    1114: "moment",
    1184: "utc_moment",
    3802: "json",  # jsonb
}
"""The types by their oids, which are fixed. All others are the text that the server writes, enums too."""

_HEADER_BYTES = 4
"""What is added to the scale and precision in the modifier of `numeric`."""


def connect(
    asked: DatabaseQuery, password: str | None, still_wanted: StillWanted, _is_needed: IsNeeded
) -> PostgresSession:
    """Connect, begin the snapshot, and have the statement described; see `Connect`."""
    try:
        import psycopg
    except ImportError:
        raise missing_driver("postgres") from None
    given: dict[str, Any] = {"password": password} if password else {}
    if "connect_timeout" not in asked.url:
        given["connect_timeout"] = CONNECT_S
    try:
        connection = psycopg.connect(asked.url, autocommit=True, prepare_threshold=None, **given)
    except psycopg.Error as error:
        raise translated(error, asked) from None
    try:
        return PostgresSession(asked, connection, given, still_wanted)
    except BaseException:
        connection.close()
        raise


class PostgresSession:
    """A transaction on one connection; see `Session`. `given` are the parameters that are not in the url."""

    def __init__(
        self,
        asked: DatabaseQuery,
        connection: psycopg.Connection[Any],
        given: Mapping[str, Any],
        still_wanted: StillWanted,
    ) -> None:
        self._asked = asked
        self._connection = connection
        self._given = given
        self._still_wanted = still_wanted
        self._statement = asked.statement()
        self._pid: str | None = None
        self._execute(_BEGIN)
        [(self._pid,)] = self._execute("SELECT pg_catalog.pg_backend_pid()")  # behind a pooler, not the connection's
        self._columns = self._described()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""
        return [column.name for column in self._columns]

    @property
    def schema(self) -> pa.Schema:
        """The columns; see `Session`."""
        return schema_of(self._columns)

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; the server's own count must be ours. See `Session`."""
        pgconn, read = self._connection.pgconn, 0
        pgconn.send_query(f"COPY (\n{self._statement}\n) TO STDOUT (FORMAT csv)".encode())
        self._next_result()
        rows: list[bytes] = []
        size = 0
        while True:
            length, row = self._next_row()
            if length < 0:
                break
            rows.append(bytes(row))
            size += length
            if size >= PIECE_BYTES:
                yield self._batch(rows)
                read += len(rows)
                rows, size = [], 0
        if rows:
            yield self._batch(rows)
        read += len(rows)
        [counted] = [result.command_tuples for result in self._results()]
        if counted != read:
            raise Unreachable(f"{self._asked.label}: {read:,} rows came, but the server has sent {counted}")

    def findings(self) -> Sequence[Finding]:
        """Explain the statement, and look at time zone and row policies; see `Session`."""
        from engine.sources.databases.postgres_facts import facts

        return facts(self._execute, self._asked, self._statement)

    def _execute(self, statement: str) -> list[tuple[str | None, ...]]:
        """Execute statements, separated by `;`; return the rows of the last one that has any, as text."""
        self._connection.pgconn.send_query(statement.encode())
        rows: list[tuple[str | None, ...]] = []
        for result in self._results():
            columns = range(result.nfields)
            if columns:
                numbers = range(result.ntuples)
                rows = [tuple(_text(result.get_value(row, column)) for column in columns) for row in numbers]
        return rows

    def _described(self) -> list[Column]:
        """Have the server say what the columns are; arrays are asked for as JSON."""
        pgconn = self._connection.pgconn
        pgconn.send_prepare(b"", self._statement.encode())
        list(self._results())
        pgconn.send_describe_prepared(b"")
        [result] = self._results()
        names = [(result.fname(index) or b"").decode() for index in range(result.nfields)]
        if not names:
            raise ConfigError("source.query: must be a SELECT: this statement has no columns")
        oids = [result.ftype(index) for index in range(result.nfields)]
        arrays = self._arrays_among(oids)
        columns = [
            Column(name, "json" if oid in arrays else _kind_of(oid, result.fmod(index)))
            for index, (name, oid) in enumerate(zip(names, oids, strict=True))
        ]
        refuse_doubles(names)
        if arrays:
            self._statement = _with_json(self._statement, names, [oid in arrays for oid in oids])
        return columns

    def _arrays_among(self, oids: Sequence[int]) -> set[int]:
        others = sorted({oid for oid in oids if oid not in _KINDS and oid != _NUMERIC})
        if not others:
            return set()
        listed = ",".join(map(str, others))
        query = f"SELECT oid FROM pg_catalog.pg_type WHERE typcategory = 'A' AND oid IN ({listed})"  # noqa: S608
        return {int(oid or 0) for (oid,) in self._execute(query)}

    def _batch(self, rows: Sequence[bytes]) -> pa.RecordBatch:
        """Read rows of CSV in which only what stands in quotes can be empty text; empty is null otherwise."""
        text = b"".join(rows)
        names = [str(index) for index in range(len(self._columns))]
        table = csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                check_utf8=False,  # whoever sends a value looks at it
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        if table.num_rows != len(rows):
            raise Ended(f"{self._asked.label}: {len(rows)} rows came as {table.num_rows}")
        return batch_of(self._columns, [_whole(column) for column in table.columns])

    def _next_row(self) -> tuple[int, memoryview]:
        """Return the length of the next row and the row, or a negative length behind the last one."""
        import psycopg

        pgconn = self._connection.pgconn
        try:
            while True:
                length, row = pgconn.get_copy_data(1)
                if length:
                    return length, row
                self._wait()
        except psycopg.Error as error:
            raise lost(error, pgconn, self._asked) from None

    def _results(self) -> Iterator[psycopg.pq.abc.PGresult]:
        """Yield the results of what was sent, each once it is there."""
        while (result := self._next_result()) is not None:
            yield result

    def _next_result(self) -> psycopg.pq.abc.PGresult | None:
        """Return the next result, once it is there; None behind the last one.

        The calls of libpq that wait by themselves would hold the interpreter's lock meanwhile.
        """
        import psycopg
        from psycopg.pq import ExecStatus

        pgconn = self._connection.pgconn
        try:
            while pgconn.is_busy():
                self._wait()
            result = pgconn.get_result()
        except psycopg.Error as error:
            raise lost(error, pgconn, self._asked) from None
        if result is not None and result.status == ExecStatus.FATAL_ERROR:
            raise translated(psycopg.errors.error_from_result(result), self._asked)
        return result

    def _wait(self) -> None:
        """Wait for bytes of the server; where none come for long, ask whether it still works on the statement."""
        pgconn, waiting = self._connection.pgconn, select.poll()
        waiting.register(pgconn.socket, select.POLLIN)
        asked_at = time.monotonic()
        while not waiting.poll(1_000):
            self._still_wanted()
            if time.monotonic() - asked_at > SILENCE_S:
                self._ask_whether_it_works()
                asked_at = time.monotonic()
        self._still_wanted()
        pgconn.consume_input()

    def _ask_whether_it_works(self) -> None:
        """Ask on another connection: sorting a table may take minutes without a byte, a dead server gives none either.

        Raises:
            Unreachable: it does not answer, works on nothing of ours, or waits for us, who wait for it.
        """
        import psycopg

        query = "SELECT state, wait_event FROM pg_catalog.pg_stat_activity WHERE pid::text = %s"
        try:
            with psycopg.connect(self._asked.url, autocommit=True, prepare_threshold=None, **self._given) as other:
                found = other.execute(query, [self._pid]).fetchone()
        except psycopg.Error:
            found = None
        if found is None or found[0] != "active" or found[1] == "ClientWrite":
            raise Unreachable(f"{self._asked.label}: nothing has come for {SILENCE_S:.0f} s")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _kind_of(oid: int, modifier: int) -> ColumnKind:
    if oid != _NUMERIC:
        return _KINDS.get(oid, "text")
    if modifier < _HEADER_BYTES:
        return "number"
    scale = ((modifier - _HEADER_BYTES & 0x7FF) ^ 1024) - 1024  # eleven bits with a sign
    return "whole" if scale <= 0 else "number"


def _with_json(statement: str, names: Sequence[str], are_arrays: Sequence[bool]) -> str:
    """Return a statement with the same rows, in which the columns that hold arrays are JSON."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    columns = [
        f"pg_catalog.to_json(asked.{name})::text AS {name}" if is_array else f"asked.{name}"
        for name, is_array in zip(quoted, are_arrays, strict=True)
    ]
    return f"SELECT {', '.join(columns)} FROM (\n{statement}\n) AS asked"  # noqa: S608 - the user's own statement


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
