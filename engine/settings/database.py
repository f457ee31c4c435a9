"""`[source]`, where it is a database: which one, and what is asked of it."""

from __future__ import annotations

from os import environ
from typing import Annotated, Any

from engine.settings.kinds import ALWAYS
from engine.settings.query_files import read_query
from engine.settings.table import Context, FilePath, Table, Text, check
from engine.settings.values import as_database_url, as_query, as_variable_name
from engine.sources import DatabaseQuery

Query = Annotated[str, as_query]

NO_IDENTITY = ("password_env", "query_file", "without_snapshot")
"""Keys that do not change what is read, or of which what they name is told instead."""


class DatabaseKeys(Table):
    """The keys of a database, none of which is set where the source is made of files."""

    database: Annotated[str, as_database_url] | None = None
    password_env: Annotated[str, as_variable_name] = "SOURCE_PASSWORD"  # noqa: S105 - its name
    query: Query | None = None
    query_file: FilePath | None = None
    table: Annotated[Text | None, ALWAYS] = None
    without_snapshot: bool = False

    @check("query", "query_file", "table")
    @staticmethod
    def _one_question(value: Any, context: Context) -> Any:
        earlier = [key for key in ("query", "query_file") if context.earlier.get(key) is not None]
        if value is not None and "database" in context.earlier and context.earlier["database"] is None:
            raise ValueError("is asked of a database: name that in source.database")
        if value is not None and earlier:
            raise ValueError(f"does not go with source.{earlier[0]}: one of the two says what to read")
        if context.key == "table" and value is None and context.earlier.get("database") and not earlier:
            raise ValueError("missing; name the table, or set query or query_file")
        return value

    @check("without_snapshot")
    @staticmethod
    def _is_a_question(value: bool, context: Context) -> bool:
        if value and "database" in context.earlier and not str(context.earlier["database"]).startswith("mssql://"):
            raise ValueError("is for SQL Server (mssql://): every other database keeps one state of the rows")
        return value

    def query_text(self) -> str | None:
        """Return the query, wherever it is written.

        Raises:
            ConfigError: its file cannot be read.
        """
        return self.query if self.query_file is None else read_query(self.query_file)

    def asked(self) -> DatabaseQuery | None:
        """Return what is asked of the database; None if the source is made of files.

        Raises:
            ConfigError: the file of the query cannot be read.
        """
        if self.database is None:
            return None
        query_file = None if self.query_file is None else str(self.query_file)
        return DatabaseQuery(
            self.database, self.table, self.query_text(), query_file, self.password_env, self.without_snapshot
        )

    def password(self) -> str | None:
        """Read the password of the database afresh; None leaves it to the driver's own files and variables."""
        return environ.get(self.password_env) or None
