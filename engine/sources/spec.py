"""What to read and how to map it: the `[source]` table as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.sources.formats import Format

ColumnType = Literal["string", "integer", "number", "boolean", "date", "json"]
STDIN = "-"
"""The path that means standard input."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """The `[source]` table. Field by field as in `config.example.toml`.

    `paths` are paths, globs or `-`, as written. `id` None means that records already look like `{"id", "data"}`.
    `fields` None means every column but the id. `nulls` says whether a null (or an empty CSV cell) is left out of
    the partial update or sent as null.
    """

    paths: tuple[str, ...]
    format: Format | None = None
    id: str | None = None
    fields: tuple[str, ...] | None = None
    exclude: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    nulls: Literal["omit", "send"] = "omit"

    def field_of(self, column: str) -> str | None:
        """Return the name under which `column` is sent, or None if it is not sent."""
        wanted = column in self.fields if self.fields is not None else column != self.id
        return self.rename.get(column, column) if wanted and column not in self.exclude else None
