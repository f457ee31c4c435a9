"""The keys of `[source]` that say what becomes of columns, wherever these come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from engine.settings.table import Table, Text
from engine.settings.values import as_column_name, as_date_format, as_list, as_mark, as_scalar, as_word, as_words
from engine.sources import DELIMITED, ColumnShape, ColumnType, Format, Scalar, SourceSpec, evident_formats

ColumnName = Annotated[str, BeforeValidator(as_column_name)]
ColumnNames = Annotated[tuple[ColumnName, ...], BeforeValidator(as_list)]
Mark = Annotated[str, BeforeValidator(as_mark)]
Word = Annotated[str, BeforeValidator(as_word)]
Words = Annotated[tuple[Word, ...], BeforeValidator(as_words)]
Constant = Annotated[Scalar, BeforeValidator(as_scalar)]

CANONICAL_LINES = '{"id", "data"} lines'
"""How messages call records that have no columns."""

_NOT_OF_IDS = PydanticCustomError(
    "value_error",
    "{error}",
    {
        "error": "is not for the id, which is sent as text and is never missing; leave it out, or name the column in "
        "source.fields to send it as a field beside the id, too"
    },
)


class ColumnTable(Table):
    """`[source.columns.NAME]`: what one column becomes. What is not given is as it is for every other column."""

    field: Text | None = None
    null_values: Words = ()
    trim: bool = False
    strip: str = ""
    decimal: Mark = "."
    thousands: Mark | None = None
    date_format: Annotated[str, BeforeValidator(as_date_format)] | None = None
    true: Words = ()
    false: Words = ()
    map: dict[Word, Constant] = Field(default={})
    default: Constant | None = None
    type: ColumnType | None = Field(default=None, validate_default=True)

    @field_validator("thousands")
    @classmethod
    def _another_mark(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("decimal"):
            raise ValueError("is the same character as decimal; a number could mean two things")
        return value

    @field_validator("false")
    @classmethod
    def _other_words(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if set(value) & set(info.data.get("true", ())):
            raise ValueError("has a word that stands in true, too")
        return value

    @field_validator("type")
    @classmethod
    def _fits_the_others(cls, value: ColumnType | None, info: ValidationInfo) -> ColumnType | None:
        """Take the type that the other keys speak of, and refuse those that speak of another one."""
        speak: dict[str, tuple[ColumnType, ...]] = {
            "date_format": ("date",),
            "true": ("boolean",),
            "false": ("boolean",),
            "thousands": ("number", "integer"),
            "decimal": ("number",),
        }
        given = [
            key for key in speak if info.data.get(key, cls.model_fields[key].default) != cls.model_fields[key].default
        ]
        implied = value or (speak[given[0]][0] if given else None)
        for key in given:
            if implied not in speak[key]:
                raise ValueError(f"does not go with {key}, which is for {' and '.join(speak[key])}")
        if implied in ("number", "integer") and any(map(str.isdigit, info.data.get("strip", ""))):
            raise ValueError("does not go with digits in strip: numbers would lose some of their own")
        return implied

    def not_of_ids(self) -> list[str]:
        """Return the keys that are set and mean nothing for the id, which is text: a field is no id, nor is a date."""
        taken = {"null_values", "trim", "strip", "map", *(["type"] if self.type == "string" else [])}
        return sorted(self.model_fields_set - taken)

    def shape(self) -> ColumnShape:
        """Return the table as the plain value that the sources take."""
        return ColumnShape(**{key: getattr(self, key) for key in ColumnTable.model_fields})


class ShapingKeys(Table):
    """Which column is the id, which others are sent, under which names and in what shape."""

    id: ColumnName | None = Field(default=None, validate_default=True)
    fields: ColumnNames | None = None
    exclude: ColumnNames = ()
    rename: dict[ColumnName, Text] = Field(default={})
    types: dict[ColumnName, ColumnType] = Field(default={})
    columns: dict[ColumnName, ColumnTable] = Field(default={})
    constants: dict[Text, Constant] = Field(default={})
    where: dict[ColumnName, Words] = Field(default={})
    null_values: Words = ()
    nulls: Literal["omit", "send"] = "omit"

    @field_validator("id")
    @classmethod
    def _id(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and (info.data.get("database") or formats_in(info) & DELIMITED):
            raise ValueError("missing: name the column that holds the id")
        return value

    @field_validator("fields", "exclude", "rename", "types", "columns", "constants", "where", "null_values", "nulls")
    @classmethod
    def _shapes_flat_records(cls, value: Any, info: ValidationInfo) -> Any:
        if "id" in info.data and info.data["id"] is None:
            raise ValueError(
                f"only shapes records with columns: set source.id, or leave this out for {CANONICAL_LINES}"
            )
        return value

    @field_validator("fields", "exclude")
    @classmethod
    def _each_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value and len(set(value)) < len(value):
            raise ValueError("names a column twice")
        return value

    @field_validator("exclude")
    @classmethod
    def _not_wanted_too(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if set(value) & set(info.data.get("fields") or ()):
            raise ValueError("names a column that source.fields names, too")
        return value

    @field_validator("rename")
    @classmethod
    def _distinct(cls, rename: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        fields = info.data.get("fields")
        if fields is not None and not set(rename) <= set(fields):
            raise ValueError("renames a column that source.fields does not send")
        sent = [rename.get(column, column) for column in (fields if fields is not None else rename)]
        if len(set(sent)) < len(sent):
            raise ValueError("gives two columns the same name")
        return rename

    @field_validator("types")
    @classmethod
    def _text_only(cls, types: dict[str, ColumnType], info: ValidationInfo) -> dict[str, ColumnType]:
        formats = formats_in(info)
        if types and formats and not formats & DELIMITED:
            raise ValueError(
                "is for CSV and TSV only: NDJSON and Parquet carry their own types; source.columns changes them"
            )
        return types

    @field_validator("columns")
    @classmethod
    def _said_once(cls, columns: dict[str, ColumnTable], info: ValidationInfo) -> dict[str, ColumnTable]:
        fields, rename = info.data.get("fields"), info.data.get("rename", {})
        for key in ("rename", "types"):
            if set(columns) & set(info.data.get(key, ())):
                raise ValueError(f"names a column that source.{key} names, too; say all of it here")
        if set(columns) & set(info.data.get("exclude", ())):
            raise ValueError("shapes a column that source.exclude leaves out")
        if fields is not None and not set(columns) <= {*fields, info.data.get("id")}:
            raise ValueError("shapes a column that source.fields does not send")
        renamed = {**rename, **{name: column.field for name, column in columns.items() if column.field}}
        sent = [renamed.get(column, column) for column in (fields if fields is not None else renamed)]
        if len(set(sent)) < len(sent):
            raise ValueError("gives two columns the same name")
        return columns

    @field_validator("columns")
    @classmethod
    def _can_be_taken_by_the_id(cls, columns: dict[str, ColumnTable], info: ValidationInfo) -> dict[str, ColumnTable]:
        id_ = info.data.get("id")
        if id_ is None or id_ not in columns or id_ in (info.data.get("fields") or ()):
            return columns
        mistakes = [InitErrorDetails(type=_NOT_OF_IDS, loc=(id_, key), input=None) for key in columns[id_].not_of_ids()]
        if mistakes:
            raise ValidationError.from_exception_data("id", mistakes)
        return columns

    @field_validator("where")
    @classmethod
    def _can_be_met(cls, where: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if not all(where.values()):
            raise ValueError("has a column without any value: no row could ever meet it")
        return where

    def mapping(self) -> dict[str, Any]:
        """Return, as plain values, the keys that decide what becomes of a record, wherever it comes from."""
        keys = ("id", "fields", "exclude", "rename", "types", "columns", "constants", "null_values", "nulls")
        return self.model_dump(mode="json", include=set(keys))

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


def formats_in(info: ValidationInfo) -> set[Format]:
    """Return the formats that are evident from the keys so far; the columns of a database have types as in Parquet."""
    if info.data.get("database"):
        return {"parquet"}
    return evident_formats(info.data.get("path", ()), info.data.get("format"))
