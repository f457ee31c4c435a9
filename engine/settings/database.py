"""`[source]`, where it is a database: which one, and what is asked of it."""

from __future__ import annotations

from os import environ
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from engine.settings.query_files import read_query
from engine.settings.table import FilePath, Table, Text
from engine.settings.values import as_database_url, as_query, as_variable_name
from engine.sources import DatabaseQuery

Query = Annotated[str, BeforeValidator(as_query)]

NO_IDENTITY = ("password_env", "query_file", "without_snapshot")
"""Keys that do not change what is read, or of which what they name is told instead."""


class DatabaseKeys(Table):
    """The keys of a database, none of which is set where the source is made of files."""

    database: Annotated[str, BeforeValidator(as_database_url)] | None = None
    password_env: Annotated[str, BeforeValidator(as_variable_name)] = "SOURCE_PASSWORD"  # noqa: S105 - its name
    query: Query | None = None
    query_file: FilePath | None = None
    table: Text | None = Field(default=None, validate_default=True)
    without_snapshot: bool = False

    @field_validator("query", "query_file", "table")
    @classmethod
    def _one_question(cls, value: Any, info: ValidationInfo) -> Any:
        earlier = [key for key in ("query", "query_file") if info.data.get(key) is not None]
        if value is not None and "database" in info.data and info.data["database"] is None:
            raise ValueError("is asked of a database: name that in source.database")
        if value is not None and earlier:
            raise ValueError(f"does not go with source.{earlier[0]}: one of the two says what to read")
        if info.field_name == "table" and value is None and info.data.get("database") and not earlier:
            raise ValueError("missing; name the table, or set query or query_file")
        return value

    @field_validator("without_snapshot")
    @classmethod
    def _is_a_question(cls, value: bool, info: ValidationInfo) -> bool:
        if value and "database" in info.data and not str(info.data["database"]).startswith("mssql://"):
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
