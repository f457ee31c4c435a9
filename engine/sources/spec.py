"""What to read and how to map it: the `[source]` table as plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from engine.sources.formats import Format

ColumnType = Literal["string", "integer", "number", "boolean", "date", "json"]
Scalar: TypeAlias = str | bool | int | float
"""A value that the configuration itself holds."""

STDIN = "-"
"""The path that means standard input."""


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """What one column becomes; `[source.columns.NAME]`, key by key as in `config.example.toml`.

    The steps come in this order: `trim`, `strip` (characters removed at both ends), `null_values` (words that mean
    null, beside those of the whole source and the empty text), `map`, `type` with `decimal`, `thousands`,
    `date_format`, `true` and `false`; what is null then becomes `default`.
    """

    field: str | None = None
    type: ColumnType | None = None
    null_values: tuple[str, ...] = ()
    trim: bool = False
    strip: str = ""
    decimal: str = "."
    thousands: str | None = None
    date_format: str | None = None
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    map: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)
    default: Scalar | None = None


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """How stores other than this machine's disks are reached; the environment says what is None, and who we are.

    `endpoint` is the address of the service, `region` that of its buckets, `key_file` the private key for SFTP. A store
    that is out of reach is asked again for `retry_window_s` seconds.
    """

    endpoint: str | None = None
    region: str | None = None
    key_file: str | None = None
    retry_window_s: float = 10.0


USUAL_ACCESS = StoreAccess()
"""As the environment says."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """The `[source]` table. Field by field as in `config.example.toml`.

    `paths` are paths, globs or `-`, as written. `id` None means that records already look like `{"id", "data"}`.
    `delimiter`, `quote`, `escape` and `encoding` are None where they are to be detected, and `""` means none.
    `fields` None means every column but the id. `rename` and `types` are short forms of `columns`; no column stands
    in both. `constants` are fields that every record gets. Of a row that does not meet `where`, nothing is sent.
    `nulls` says whether a null (or an empty CSV cell) is left out of the partial update or sent as null;
    `null_values` are words that mean null in every column.
    """

    paths: tuple[str, ...]
    format: Format | None = None
    id: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str | None = None
    done_marker: str | None = None
    fields: tuple[str, ...] | None = None
    exclude: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    columns: Mapping[str, ColumnShape] = field(default_factory=dict)
    constants: Mapping[str, Scalar] = field(default_factory=dict)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nulls: Literal["omit", "send"] = "omit"
    null_values: tuple[str, ...] = ()
    tells_filtered: bool = False
    """Whether the ids of rows that do not meet `where` are wanted, too."""
    access: StoreAccess = USUAL_ACCESS
    also_needed: tuple[str, ...] = ()
    """Columns that must be there for another reason: constants are sent for their fields (`delta.gone`)."""
    route: str | None = None
    """The column, or the key, whose text says which campaign a record is for; None where there is only one."""

    def field_of(self, column: str) -> str | None:
        """Return the name under which `column` is sent, or None if it is not sent."""
        wanted = column in self.fields if self.fields is not None else column != self.id
        if not wanted or column in self.exclude:
            return None
        return self.shape_of(column).field or column

    def shape_of(self, column: str) -> ColumnShape:
        """Return what becomes of `column`, whichever of the forms says it."""
        given = self.columns.get(column)
        return given or ColumnShape(field=self.rename.get(column), type=self.types.get(column))

    def named_columns(self) -> Mapping[str, Sequence[str]]:
        """Return the columns that are named, beside the id, by the setting that names them."""
        return {
            "delta.gone": self.also_needed,
            "source.fields": self.fields or (),
            "source.exclude": tuple(self.exclude),
            "source.rename": tuple(self.rename),
            "source.types": tuple(self.types),
            "source.columns": tuple(self.columns),
            "source.where": tuple(self.where),
            "route.column": () if self.route is None else (self.route,),
        }
