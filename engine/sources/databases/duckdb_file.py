"""DuckDB files, opened read-only: the result as Arrow's batches, with the types that DuckDB gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from engine.sources.columns.written import WrittenJson
from engine.sources.databases.address import DatabaseQuery, file_of
from engine.sources.databases.failures import Unreachable, missing_driver
from engine.sources.databases.session import Finding, IsNeeded, StillWanted, refuse_doubles
from engine.values import ConfigError, SourceMissing, SourceUntrusted

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 10_000

_IS_WRONG = ("CatalogException", "BinderException", "ParserException", "SyntaxException", "InvalidInputException")


def connect(
    asked: DatabaseQuery, _password: str | None, still_wanted: StillWanted, _is_needed: IsNeeded
) -> DuckdbSession:
    """Open the file and begin the statement; see `Connect`."""
    try:
        import duckdb
    except ImportError:
        raise missing_driver("duckdb") from None
    path = file_of(asked.url)
    if not path.exists():
        raise SourceMissing(f"{asked.label}: {path} does not exist")
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise _translated(error, asked, "Could not set lock" in str(error)) from None
    try:
        return DuckdbSession(asked, connection, still_wanted)
    except duckdb.Error as error:
        connection.close()
        raise _translated(error, asked) from None
    except BaseException:
        connection.close()
        raise


class DuckdbSession:
    """A statement that runs; see `Session`. One statement sees one state of the file."""

    def __init__(self, asked: DatabaseQuery, connection: duckdb.DuckDBPyConnection, still_wanted: StillWanted) -> None:
        self._asked = asked
        self._connection = connection
        self._still_wanted = still_wanted
        connection.execute("SET TimeZone = 'UTC'")
        statements = connection.extract_statements(asked.statement())
        if len(statements) != 1:
            raise ConfigError("source.query: must be one statement")
        rows = connection.sql(statements[0].query)
        self.names: list[str] = list(rows.columns)
        refuse_doubles(self.names)
        documents = {name for name, type_ in zip(self.names, rows.types, strict=True) if str(type_) == "JSON"}
        self._reader = rows.to_arrow_reader(BATCH_ROWS)
        fields = [(field.name, field.type) for field in self._reader.schema]
        self.schema = pa.schema([(name, WrittenJson("json") if name in documents else type_) for name, type_ in fields])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Session`."""
        import duckdb

        while True:
            self._still_wanted()
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                return
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise _translated(error, self._asked) from None
            arrays = [_typed(column, field.type) for column, field in zip(batch.columns, self.schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def findings(self) -> Sequence[Finding]:
        """Say what reads the file; see `Session`."""
        import duckdb

        return [Finding(f"DuckDB {duckdb.__version__}, opened read-only: {file_of(self._asked.url)}")]


def _typed(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if isinstance(type_, WrittenJson):
        return pa.ExtensionArray.from_storage(type_, column.cast(pa.string()))
    return column


def _translated(error: Exception, asked: DatabaseQuery, is_busy: bool = False) -> Exception:
    """Return what an error means; only those about the statement are quoted: others may quote values."""
    first_line = str(error).strip().partition("\n")[0]
    if is_busy:
        return Unreachable(f"{asked.label}: another process has it open to write")
    name: Any = type(error).__name__
    if name in _IS_WRONG:
        return ConfigError(f"{asked.label}: {first_line}; nothing was sent")
    return SourceUntrusted(f"{asked.label} cannot be read ({name})")
