"""The keys of `[source]` that say what becomes of columns, wherever these come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from engine.settings.kinds import ALWAYS, Mistakes
from engine.settings.table import EMPTY, Context, Table, Text, check, keys_of
from engine.settings.values import as_column_name, as_date_format, as_list, as_mark, as_scalar, as_word, as_words
from engine.sources import DELIMITED, ColumnShape, ColumnType, Format, Scalar, SourceSpec, evident_formats

ColumnName = Annotated[str, as_column_name]
ColumnNames = Annotated[tuple[ColumnName, ...], as_list]
Mark = Annotated[str, as_mark]
Word = Annotated[str, as_word]
Words = Annotated[tuple[Word, ...], as_words]
Constant = Annotated[Scalar, as_scalar]

CANONICAL_LINES = '{"id", "data"} lines'
"""How messages call records that have no columns."""

_NOT_OF_IDS = (
    "is not for the id, which is sent as text and is never missing; leave it out, or name the column in source.fields "
    "to send it as a field beside the id, too"
)

_OF_TYPES: dict[str, tuple[ColumnType, ...]] = {
    "date_format": ("date",),
    "true": ("boolean",),
    "false": ("boolean",),
    "thousands": ("number", "integer"),
    "decimal": ("number",),
}
"""Keys that speak of a type."""


class ColumnTable(Table):
    """`[source.columns.NAME]`: what one column becomes. What is not given is as it is for every other column."""

    field: Text | None = None
    null_values: Words = ()
    trim: bool = False
    strip: str = ""
    decimal: Mark = "."
    thousands: Mark | None = None
    date_format: Annotated[str, as_date_format] | None = None
    true: Words = ()
    false: Words = ()
    map: dict[Word, Constant] = EMPTY
    default: Constant | None = None
    type: Annotated[ColumnType | None, ALWAYS] = None

    @check("thousands")
    @staticmethod
    def _another_mark(value: str | None, context: Context) -> str | None:
        if value is not None and value == context.earlier.get("decimal"):
            raise ValueError("is the same character as decimal; a number could mean two things")
        return value

    @check("false")
    @staticmethod
    def _other_words(value: tuple[str, ...], context: Context) -> tuple[str, ...]:
        if set(value) & set(context.earlier.get("true", ())):
            raise ValueError("has a word that stands in true, too")
        return value

    @check("type")
    @staticmethod
    def _fits_the_others(value: ColumnType | None, context: Context) -> ColumnType | None:
        """Take the type that the other keys speak of, and refuse those that speak of another one."""
        kinds = keys_of(ColumnTable)
        given = [key for key in _OF_TYPES if context.earlier.get(key, kinds[key].default) != kinds[key].default]
        implied = value or (_OF_TYPES[given[0]][0] if given else None)
        for key in given:
            if implied not in _OF_TYPES[key]:
                raise ValueError(f"does not go with {key}, which is for {' and '.join(_OF_TYPES[key])}")
        if implied in ("number", "integer") and any(map(str.isdigit, context.earlier.get("strip", ""))):
            raise ValueError("does not go with digits in strip: numbers would lose some of their own")
        return implied

    def shape(self) -> ColumnShape:
        """Return the table as the plain value that the sources take."""
        return ColumnShape(**vars(self))


class ShapingKeys(Table):
    """Which column is the id, which others are sent, under which names and in what shape."""

    id: Annotated[ColumnName | None, ALWAYS] = None
    fields: ColumnNames | None = None
    exclude: ColumnNames = ()
    rename: dict[ColumnName, Text] = EMPTY
    types: dict[ColumnName, ColumnType] = EMPTY
    columns: dict[ColumnName, ColumnTable] = EMPTY
    constants: dict[Text, Constant] = EMPTY
    where: dict[ColumnName, Words] = EMPTY
    null_values: Words = ()
    nulls: Literal["omit", "send"] = "omit"

    @check("id")
    @staticmethod
    def _id(value: str | None, context: Context) -> str | None:
        if value is None and (context.earlier.get("database") or formats_in(context) & DELIMITED):
            raise ValueError("missing: name the column that holds the id")
        return value

    @check("fields", "exclude", "rename", "types", "columns", "constants", "where", "null_values", "nulls")
    @staticmethod
    def _shapes_flat_records(value: Any, context: Context) -> Any:
        if "id" in context.earlier and context.earlier["id"] is None:
            raise ValueError(
                f"only shapes records with columns: set source.id, or leave this out for {CANONICAL_LINES}"
            )
        return value

    @check("fields", "exclude")
    @staticmethod
    def _each_once(value: tuple[str, ...] | None, _: Context) -> tuple[str, ...] | None:
        if value and len(set(value)) < len(value):
            raise ValueError("names a column twice")
        return value

    @check("exclude")
    @staticmethod
    def _not_wanted_too(value: tuple[str, ...], context: Context) -> tuple[str, ...]:
        if set(value) & set(context.earlier.get("fields") or ()):
            raise ValueError("names a column that source.fields names, too")
        return value

    @check("rename")
    @staticmethod
    def _distinct(rename: dict[str, str], context: Context) -> dict[str, str]:
        fields = context.earlier.get("fields")
        if fields is not None and not set(rename) <= set(fields):
            raise ValueError("renames a column that source.fields does not send")
        sent = [rename.get(column, column) for column in (fields if fields is not None else rename)]
        if len(set(sent)) < len(sent):
            raise ValueError("gives two columns the same name")
        return rename

    @check("types")
    @staticmethod
    def _text_only(types: dict[str, ColumnType], context: Context) -> dict[str, ColumnType]:
        formats = formats_in(context)
        if types and formats and not formats & DELIMITED:
            raise ValueError(
                "is for CSV and TSV only: NDJSON and Parquet carry their own types; source.columns changes them"
            )
        return types

    @check("columns")
    @staticmethod
    def _said_once(columns: dict[str, ColumnTable], context: Context) -> dict[str, ColumnTable]:
        fields, rename = context.earlier.get("fields"), context.earlier.get("rename", {})
        for key in ("rename", "types"):
            if set(columns) & set(context.earlier.get(key, ())):
                raise ValueError(f"names a column that source.{key} names, too; say all of it here")
        if set(columns) & set(context.earlier.get("exclude", ())):
            raise ValueError("shapes a column that source.exclude leaves out")
        if fields is not None and not set(columns) <= {*fields, context.earlier.get("id")}:
            raise ValueError("shapes a column that source.fields does not send")
        renamed = {**rename, **{name: column.field for name, column in columns.items() if column.field}}
        sent = [renamed.get(column, column) for column in (fields if fields is not None else renamed)]
        if len(set(sent)) < len(sent):
            raise ValueError("gives two columns the same name")
        return columns

    @check("columns")
    @staticmethod
    def _can_be_taken_by_the_id(columns: dict[str, ColumnTable], context: Context) -> dict[str, ColumnTable]:
        id_ = context.earlier.get("id")
        if id_ is None or id_ not in columns or id_ in (context.earlier.get("fields") or ()):
            return columns
        taken = {"null_values", "trim", "strip", "map", *(["type"] if columns[id_].type == "string" else [])}
        if not_taken := sorted(set(context.given["columns"][id_]) - taken):
            raise Mistakes([((id_, key), _NOT_OF_IDS) for key in not_taken])
        return columns

    @check("where")
    @staticmethod
    def _can_be_met(where: dict[str, tuple[str, ...]], _: Context) -> dict[str, tuple[str, ...]]:
        if not all(where.values()):
            raise ValueError("has a column without any value: no row could ever meet it")
        return where

    def mapping(self) -> dict[str, Any]:
        """Return, as plain values, the keys that decide what becomes of a record, wherever it comes from."""
        keys = ("id", "fields", "exclude", "rename", "types", "columns", "constants", "null_values", "nulls")
        return self.as_plain(without=frozenset(vars(self)).difference(keys))

    def shapes(self) -> SourceSpec:
        """Return the keys as the plain value that the sources take, which names no files yet."""
        return SourceSpec(
            paths=(),
            id=self.id,
            fields=self.fields,
            exclude=frozenset(self.exclude),
            rename=dict(self.rename),
            types=dict(self.types),
            columns={name: column.shape() for name, column in self.columns.items()},
            constants=dict(self.constants),
            where=dict(self.where),
            nulls=self.nulls,
            null_values=self.null_values,
        )


def formats_in(context: Context) -> set[Format]:
    """Return the formats that are evident from the keys so far; the columns of a database have types as in Parquet."""
    if context.earlier.get("database"):
        return {"parquet"}
    return evident_formats(context.earlier.get("path", ()), context.earlier.get("format"))
