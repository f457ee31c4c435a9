"""Answers of SQL Server and Oracle, in the types of their own drivers: there is no such server to test against.

What a statement answers is looked up by its text, so that one which nobody has foreseen fails as at a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import mssql_python
import oracledb
import pyarrow as pa
from oracledb.errors import _Error
from oracledb.fetch_info import FetchInfo

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.spooling import spool_result
from engine.sources.files import open_source
from engine.sources.spec import SourceSpec
from engine.sources.stored.store import StoredObject

PASSWORD = "canary-of-a-password"


class Answer(NamedTuple):
    """What a statement answers: descriptions of columns, rows, and batches; an error among these ends them."""

    columns: Sequence[Any] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    batches: Sequence[pa.Table | Exception] = ()
    more: bool = False


Answers = Mapping[str, Answer | Exception]


def oracle_column(name: str, type_: oracledb.DbType, precision: int = 0, scale: int = 0, **more: Any) -> FetchInfo:
    """Return a description as the driver makes it."""
    info: Any = FetchInfo.__new__(FetchInfo)
    facts = {"is_json": False, "is_oson": False, "nulls_allowed": True, "max_size": 0, "buffer_size": 0} | more
    info._impl = SimpleNamespace(name=name, dbtype=type_, precision=precision, scale=scale, **facts)
    info._type = None
    made: FetchInfo = info
    return made


def oracle_error(text: str, code: int = 0) -> oracledb.Error:
    """Return an error as the driver makes it of what the server says."""
    about = _Error(text, code=code)
    error: oracledb.Error = about.exc_type(about)
    return error


def mssql_error(state: str, text: str) -> Exception:
    """Return an error as the driver makes it of an SQLSTATE and what the server says."""
    from mssql_python.exceptions import sqlstate_to_exception

    error = sqlstate_to_exception(state, text)
    assert isinstance(error, Exception)
    return error


class Recorded:
    """A connection of either driver; `asked` are the statements that it was asked."""

    def __init__(self, answers: Answers, wrong: Callable[[str], Exception]) -> None:
        self._answers, self._wrong = answers, wrong
        self.asked: list[str] = []
        self.closed = False

    def answer(self, statement: str) -> Answer:
        self.asked.append(statement)
        found = self._answers.get(statement, self._wrong(statement))
        if isinstance(found, Exception):
            raise found
        return found

    def cursor(self) -> RecordedCursor:
        return RecordedCursor(self)

    def fetch_df_batches(self, *, statement: str, size: int, fetch_decimals: bool) -> Iterator[oracledb.DataFrame]:
        assert fetch_decimals
        for table in self.answer(statement).batches:
            if isinstance(table, Exception):
                raise table
            frames: Any = oracledb.DataFrame
            for start in range(0, max(len(table), 1), size):
                yield frames._from_arrow(table.slice(start, size))

    def close(self) -> None:
        self.closed = True


class RecordedCursor:
    def __init__(self, connection: Recorded) -> None:
        self._connection = connection
        self._answer = Answer()
        self._batches: Iterator[pa.Table | Exception] = iter(())

    @property
    def description(self) -> Sequence[Any]:
        return self._answer.columns

    def execute(self, statement: str, names: Any = None) -> RecordedCursor:
        self._answer = self._connection.answer(statement)
        self._batches = iter(self._answer.batches)
        return self

    def fetchall(self) -> Sequence[tuple[Any, ...]]:
        return self._answer.rows

    def arrow_batch(self, _size: int) -> pa.RecordBatch:
        table = next(self._batches, None)
        if table is None:
            return pa.record_batch({})
        if isinstance(table, Exception):
            raise table
        [batch] = table.combine_chunks().to_batches()
        return batch

    def nextset(self) -> bool:
        return self._answer.more


def oracle(answers: Answers) -> Recorded:
    usual: Answers = {
        "ALTER SESSION SET TIME_ZONE = '+00:00'": Answer(),
        "SET TRANSACTION READ ONLY": Answer(),
    }
    return Recorded({**usual, **answers}, lambda said: oracle_error(f"ORA-00942: no answer to {said}", 942))


def mssql(answers: Answers) -> Recorded:
    usual: Answers = {
        "SET TRANSACTION ISOLATION LEVEL SNAPSHOT": Answer(),
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED": Answer(),
        "SELECT snapshot_isolation_state, is_read_committed_snapshot_on FROM sys.databases WHERE database_id = DB_ID()":
            Answer(rows=[(1, False)]),
    }  # fmt: skip
    wrong = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Incorrect syntax near "
    return Recorded({**usual, **answers}, lambda said: mssql_error("42000", wrong + said))


def put_in_place(connections: Sequence[Recorded | Exception], connect: Callable[[str, Any], None]) -> list[Any]:
    """Have the drivers give out these connections, one after the other; return what they are called with."""
    left, given = iter(connections), list[Any]()

    def connected(*args: Any, **named: Any) -> Recorded:
        given.append((args, named))
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    connect("oracle", connected)
    connect("mssql", connected)
    return given


def spooled(
    asked: DatabaseQuery,
    directory: Path,
    spec: SourceSpec,
    window_s: float = 0.0,
    still_wanted: Callable[[], None] = lambda: None,
) -> StoredObject:
    return spool_result(
        asked, spec, directory, password=lambda: PASSWORD, still_wanted=still_wanted, counted=lambda rows: None,
        retry_window_s=window_s,
    ).file  # fmt: skip


def lines_of(file: StoredObject, spec: SourceSpec) -> tuple[list[str], list[str]]:
    """Return the lines that would be sent, and why other rows would be refused."""
    blocks = list(open_source(spec, files=[file]).blocks())
    lines = [line for block in blocks if block.ids for line in bytes(block.lines).decode().split("\n")]
    return lines, [refusal.reason for block in blocks for refusal in block.refusals]


DRIVERS = {"oracle": oracledb, "mssql": mssql_python}
