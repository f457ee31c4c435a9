"""What is asked of which database: `database`, `query`, `query_file` and `table` of `[source]` as plain values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from engine.sources.formats import Format
from engine.sources.stored.addresses import scheme_of
from engine.sources.stored.spooled import SCHEMES, DatabaseKind
from engine.values import ConfigError

_FILES = ("sqlite", "duckdb")
_SECRETS = re.compile(r"(?i)passw|pwd|secret|token")
_NAME_PART = re.compile(r'"(?:[^"]|"")+"|[^".]+')


class DatabaseQuery(Struct, frozen=True):
    """What is asked: either the whole of `table`, or `query`.

    `url` holds no password; that is in the variable `password_env`, unless the driver has ways of its own. `query_file`
    is where the query was written, only for messages. `without_snapshot` accepts a read that sees rows as they change.
    """

    url: str
    table: str | None = None
    query: str | None = None
    query_file: str | None = None
    password_env: str = "SOURCE_PASSWORD"  # noqa: S105 - the name of a variable
    without_snapshot: bool = False

    @property
    def kind(self) -> DatabaseKind:
        """Which database it is."""
        return SCHEMES[scheme_of(self.url)]

    @property
    def spool_format(self) -> Format:
        """As what the result is kept: in columns, or as lines where each value has a type of its own."""
        return "ndjson" if self.kind == "sqlite" else "parquet"

    @property
    def label(self) -> str:
        """How messages and reports call it: the url, and the table or the file of the query."""
        if self.table is not None:
            return f"{self.url} (table {self.table})"
        return f"{self.url} (query{f' {self.query_file}' if self.query_file else ''})"

    @property
    def feed(self) -> str:
        """What it is called from night to night: the url, and the table or the text of the query."""
        return f"{self.url} {self.table if self.table is not None else self.query}"

    def statement(
        self, quote: str = '"', end_quote: str | None = None, *, fold: Callable[[str], str] = str, columns: str = "*"
    ) -> str:
        """Return the SQL: the query, or `columns` of the table, whose name is put between quotes, part by part.

        Parts that were written without double quotes are folded first, as the database does with names.

        Raises:
            ConfigError: the name of the table is none.
        """
        if self.query is not None:
            return self.query.strip().rstrip(";").rstrip()
        end = end_quote or quote
        name = ".".join(f"{quote}{part.replace(end, end * 2)}{end}" for part in self.table_parts(fold))
        return f"SELECT {columns} FROM {name}"  # noqa: S608 - it is quoted

    def table_parts(self, fold: Callable[[str], str] = str) -> list[str]:
        """Return the name of the table in its parts: `schema.table`, each in double quotes if it has a dot itself.

        Raises:
            ConfigError: it is no such name.
        """
        name = self.table or ""
        parts = _NAME_PART.findall(name)
        if ".".join(parts) != name or not parts:
            raise ConfigError('source.table: must be a name, such as loans or schema.loans; "a.b" for one with a dot')
        return [part[1:-1].replace('""', '"') if part.startswith('"') else fold(part) for part in parts]


def check_url(url: str) -> str:
    """Return the url of a database.

    Raises:
        ValueError: it is none, or holds a password; the message does not repeat it.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise ValueError(f"must be the url of a database: {', '.join(f'{name}://' for name in _shown_schemes())}")
    try:
        parts = urlsplit(url)
        _ = None if "," in parts.netloc else parts.port  # PostgreSQL takes several hosts
    except ValueError:
        raise ValueError("is no url; write user@host:port/database") from None
    if parts.password is not None or any(_SECRETS.search(name) for name, _ in parse_qsl(parts.query)):
        raise ValueError("must not hold a password; put it into the variable that source.password_env names")
    if SCHEMES[scheme.lower()] in _FILES and not _path_in(url):
        raise ValueError(f"must name a file: {scheme}:///path/to/file")
    if SCHEMES[scheme.lower()] not in _FILES and not parts.path.strip("/") and not parts.query:
        raise ValueError(f"must name the database: {scheme}://user@host/database")
    return url


def is_database(text: str) -> bool:
    """Return whether a text begins like the url of a database."""
    return scheme_of(text) in SCHEMES


def file_of(url: str) -> Path:
    """Return the file that a url means, by a path from the working directory or, where none is there, from the root.

    Raises:
        ConfigError: there is one at both.
    """
    path = Path(_path_in(url))
    rooted = Path("/") / path
    if path.is_absolute() or not rooted.exists():
        return path
    if path.exists():
        raise ConfigError(f"source.database: there are both {path} and {rooted}; write four slashes for the second")
    return rooted


def _path_in(url: str) -> str:
    """Return the path: behind three slashes one from here (or the root), behind four one from the root."""
    rest = url.partition("://")[2]
    return unquote(rest[1:] if rest.startswith("/") else rest)


def _shown_schemes() -> list[str]:
    return list(dict.fromkeys(SCHEMES.values()))
