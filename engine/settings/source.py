"""`[source]`: what to read, and how its columns become fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from engine.settings.database import NO_IDENTITY, DatabaseKeys
from engine.settings.shaping import ShapingKeys, formats_in
from engine.settings.table import FilePath, ServiceUrl, Text, Texts
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

Character = Annotated[str, BeforeValidator(as_character)]
CharacterOrNone = Annotated[str, BeforeValidator(as_character_or_none)]


class FileKeys(DatabaseKeys):
    """The keys that say which files there are, and how they are written. A later key may look at the ones before."""

    path: Texts = Field(default=None, validate_default=True)
    endpoint: ServiceUrl | None = None
    region: Text | None = None
    key_file: FilePath | None = None
    format: Format | None = Field(default=None, validate_default=True)
    delimiter: Character | None = None
    quote: CharacterOrNone | None = None
    escape: CharacterOrNone | None = None
    encoding: Annotated[str, BeforeValidator(as_encoding)] | None = None
    done_marker: Text | None = None
    holds: Literal["portfolio", "changes"] = "portfolio"

    @field_validator("path", mode="before")
    @classmethod
    def _path_or_database(cls, path: Any, info: ValidationInfo) -> Any:
        is_database = "database" not in info.data or info.data["database"] is not None
        if path is None and not is_database:
            raise ValueError("missing; name the file, the files or the pattern to read")
        if path is not None and is_database and info.data.get("database"):
            raise ValueError("does not go with source.database: a source is one of the two")
        return () if path is None else path

    @field_validator("path")
    @classmethod
    def _path(cls, path: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not path and info.data.get("database", "") is None:
            raise ValueError("must name at least one file")
        if STDIN in path and len(path) > 1:
            raise ValueError(f'"{STDIN}" (standard input) can only stand alone')
        for address in filter(scheme_of, path):
            parse_address(address)
        return path

    @field_validator("done_marker")
    @classmethod
    def _done_marker(cls, value: str | None) -> str | None:
        if value is not None and scheme_of(value):
            parse_address(value)
        return value

    @field_validator("format", mode="before")
    @classmethod
    def _format(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("database"):
            raise ValueError("is for files: the columns of a database have types of their own")
        if value is None and info.data.get("path") == (STDIN,):
            *formats, last = (name for name, facts in FORMATS.items() if facts.reads_stdin)
            raise ValueError(f"missing: standard input has no suffix; say {', '.join(formats)} or {last}")
        return FORMAT_OF_SUFFIX.get(f".{value}", value)

    @field_validator("encoding")
    @classmethod
    def _of_files(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("database"):
            raise ValueError("is for files: a database tells how its text is encoded")
        return value

    @field_validator("delimiter", "quote", "escape")
    @classmethod
    def _cells_only(cls, value: str | None, info: ValidationInfo) -> str | None:
        formats = formats_in(info)
        if value is not None and formats and not formats & DELIMITED:
            raise ValueError("is for CSV and TSV only")
        if value and value in [info.data.get(key) for key in ("delimiter", "quote") if key != info.field_name]:
            raise ValueError("is a character that already means something else")
        return value


class SourceTable(ShapingKeys, FileKeys):
    """The table itself: first what is read, then what becomes of its columns."""

    def identity(self) -> dict[str, Any]:
        """Return, as plain values, the keys that decide what is read and what it becomes."""
        keys = self.model_dump(mode="json", exclude={"done_marker", "holds", "key_file", *NO_IDENTITY})
        return keys | {"query": self.query_text()}

    def column_of(self, field: str) -> str | None:
        """Return the column that becomes this field if it is there; None if none can."""
        spec = self.spec()
        candidates = (*self.rename, *self.columns, field)
        return next((name for name in candidates if spec.field_of(name) == field), None)

    @classmethod
    def default_identity(cls) -> dict[str, Any]:
        """Return what `identity` has for the keys that nobody sets."""
        return cls.model_construct(path=()).identity()

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
