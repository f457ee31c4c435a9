"""`[source]`: what to read, and how its columns become fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from engine.settings.database import NO_IDENTITY, DatabaseKeys
from engine.settings.kinds import ALWAYS
from engine.settings.shaping import ShapingKeys, formats_in
from engine.settings.table import Context, FilePath, ServiceUrl, Text, Texts, check
from engine.settings.values import as_character, as_character_or_none, as_encoding
from engine.sources import (
    DELIMITED,
    FORMAT_OF_SUFFIX,
    FORMATS,
    STDIN,
    Format,
    SourceSpec,
    StoreAccess,
    parse_address,
    scheme_of,
)

Character = Annotated[str, as_character]
CharacterOrNone = Annotated[str, as_character_or_none]


class FileKeys(DatabaseKeys):
    """The keys that say which files there are, and how they are written. A later key may look at the ones before."""

    path: Annotated[Texts, ALWAYS] = ()
    endpoint: ServiceUrl | None = None
    region: Text | None = None
    key_file: FilePath | None = None
    format: Annotated[Format | None, ALWAYS] = None
    delimiter: Character | None = None
    quote: CharacterOrNone | None = None
    escape: CharacterOrNone | None = None
    encoding: Annotated[str, as_encoding] | None = None
    done_marker: Text | None = None
    holds: Literal["portfolio", "changes"] = "portfolio"

    @check("path", before=True)
    @staticmethod
    def _path_or_database(path: Any, context: Context) -> Any:
        is_database = "database" not in context.earlier or context.earlier["database"] is not None
        if "path" not in context.given and not is_database:
            raise ValueError("missing; name the file, the files or the pattern to read")
        if "path" in context.given and context.earlier.get("database"):
            raise ValueError("does not go with source.database: a source is one of the two")
        return path

    @check("path")
    @staticmethod
    def _path(path: tuple[str, ...], context: Context) -> tuple[str, ...]:
        if not path and context.earlier.get("database", "") is None:
            raise ValueError("must name at least one file")
        if STDIN in path and len(path) > 1:
            raise ValueError(f'"{STDIN}" (standard input) can only stand alone')
        for address in filter(scheme_of, path):
            parse_address(address)
        return path

    @check("done_marker")
    @staticmethod
    def _done_marker(value: str | None, _: Context) -> str | None:
        if value is not None and scheme_of(value):
            parse_address(value)
        return value

    @check("format", before=True)
    @staticmethod
    def _format(value: Any, context: Context) -> Any:
        if value is not None and context.earlier.get("database"):
            raise ValueError("is for files: the columns of a database have types of their own")
        if value is None and context.earlier.get("path") == (STDIN,):
            *formats, last = (name for name, facts in FORMATS.items() if facts.reads_stdin)
            raise ValueError(f"missing: standard input has no suffix; say {', '.join(formats)} or {last}")
        return FORMAT_OF_SUFFIX.get(f".{value}", value)

    @check("encoding")
    @staticmethod
    def _of_files(value: str | None, context: Context) -> str | None:
        if value is not None and context.earlier.get("database"):
            raise ValueError("is for files: a database tells how its text is encoded")
        return value

    @check("delimiter", "quote", "escape")
    @staticmethod
    def _cells_only(value: str | None, context: Context) -> str | None:
        formats = formats_in(context)
        if value is not None and formats and not formats & DELIMITED:
            raise ValueError("is for CSV and TSV only")
        if value and value in [context.earlier.get(key) for key in ("delimiter", "quote") if key != context.key]:
            raise ValueError("is a character that already means something else")
        return value


class SourceTable(ShapingKeys, FileKeys):
    """The table itself: first what is read, then what becomes of its columns."""

    def identity(self) -> dict[str, Any]:
        """Return, as plain values, the keys that decide what is read and what it becomes."""
        keys = self.as_plain(without=frozenset(("done_marker", "holds", "key_file", *NO_IDENTITY)))
        return keys | {"query": self.query_text()}

    def column_of(self, field: str) -> str | None:
        """Return the column that becomes this field if it is there; None if none can."""
        spec = self.spec()
        candidates = (*self.rename, *self.columns, field)
        return next((name for name in candidates if spec.field_of(name) == field), None)

    @classmethod
    def default_identity(cls) -> dict[str, Any]:
        """Return what `identity` has for the keys that nobody sets."""
        return cls().identity()

    def feed(self) -> str:
        """Return what the source is called from night to night, unless `delta.feed` says."""
        asked = self.asked()
        return ", ".join(self.path) if asked is None else asked.feed

    def spec(self) -> SourceSpec:
        """Return the table as the plain value that the sources take.

        Raises:
            ConfigError: the file of the query cannot be read.
        """
        asked = self.asked()
        return replace(
            self.shapes(),
            paths=self.path if asked is None else (asked.label,),
            format=self.format if asked is None else asked.spool_format,
            delimiter=self.delimiter,
            quote=self.quote,
            escape=self.escape,
            encoding=self.encoding,
            done_marker=self.done_marker,
            access=self.access(),
        )

    def access(self) -> StoreAccess:
        """Return how stores are reached."""
        return StoreAccess(self.endpoint, self.region, None if self.key_file is None else str(self.key_file))
