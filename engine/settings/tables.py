"""The settings: one TOML file, overridden by `ENGINE_TABLE__KEY` variables, checked whole before anything is read.

`config.example.toml` documents every key for users; the models below are what it is tested against. All mistakes are
collected into one `ConfigError` (see `mistakes.py`), which names keys and never repeats a value: it could be a
secret. pydantic-settings is not used, because its import alone (0.15 s) would cost more than everything here.
"""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from engine.settings.credentials import read_token
from engine.settings.mistakes import CONTRADICTION
from engine.settings.values import (
    Threshold,
    as_arguments,
    as_deadline,
    as_header_text,
    as_http_url,
    as_list,
    as_service_url,
    as_text,
    as_threshold,
    as_variable_name,
)
from engine.sources import DELIMITED, FORMAT_OF_SUFFIX, FORMATS, STDIN, ColumnType, Format, SourceSpec, evident_formats
from engine.values import CHUNK_RECORDS_MAX

Text = Annotated[str, BeforeValidator(as_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(as_list)]
FilePath = Annotated[Path, BeforeValidator(as_text), Field(strict=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
HttpUrl = Annotated[str, BeforeValidator(as_http_url)]
Limit = Annotated[Threshold, BeforeValidator(as_threshold)]


class Table(BaseModel):
    """A table of the file: exact types, no unknown keys, immutable, and no value in any error."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


class ApiTable(Table):
    """`[api]`: where the records go, and as whom."""

    url: Annotated[str, BeforeValidator(as_service_url)] = "https://api.agents.timepay.ai/api/v1"
    campaign_id: Text
    token_env: Annotated[str, BeforeValidator(as_variable_name)] = "TIMEPAY_TOKEN"  # noqa: S105 - the name of a variable
    token_file: FilePath | None = None
    org_id: Annotated[str, BeforeValidator(as_header_text)] | None = None
    timeout_s: Seconds = 120.0
    ca_file: FilePath | None = None
    proxy: HttpUrl | None = Field(default=None, repr=False)

    def read_token(self) -> str:
        """Read the token afresh: tokens rotate.

        Raises:
            ConfigError: the variable or file is missing, empty, or holds what can't be a token.
        """
        return read_token(self.token_env, self.token_file, os.environ)


class SourceTable(Table):
    """`[source]`: what to read, and how its columns become fields. A later field may look at the ones before it."""

    path: Texts
    format: Format | None = Field(default=None, validate_default=True)
    id: Text | None = Field(default=None, validate_default=True)
    fields: Texts | None = None
    exclude: Texts = ()
    rename: dict[Text, Text] = {}
    types: dict[Text, ColumnType] = {}
    nulls: Literal["omit", "send"] = "omit"

    @field_validator("path")
    @classmethod
    def _path(cls, path: tuple[str, ...]) -> tuple[str, ...]:
        if not path:
            raise ValueError("must name at least one file")
        if STDIN in path and len(path) > 1:
            raise ValueError(f'"{STDIN}" (standard input) can only stand alone')
        return path

    @field_validator("format", mode="before")
    @classmethod
    def _format(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.data.get("path") == (STDIN,):
            *formats, last = (name for name, facts in FORMATS.items() if facts.reads_stdin)
            raise ValueError(f"missing: standard input has no suffix; say {', '.join(formats)} or {last}")
        return FORMAT_OF_SUFFIX.get(f".{value}", value)

    @field_validator("id")
    @classmethod
    def _id(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and evident_formats(info.data.get("path", ()), info.data.get("format")) & DELIMITED:
            raise ValueError("missing: name the column that holds the id")
        return value

    @field_validator("fields", "exclude", "rename", "types", "nulls")
    @classmethod
    def _shapes_flat_records(cls, value: Any, info: ValidationInfo) -> Any:
        if "id" in info.data and info.data["id"] is None:
            raise ValueError(
                'only shapes records with columns: set source.id, or leave this out for {"id", "data"} lines'
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
        formats = evident_formats(info.data.get("path", ()), info.data.get("format"))
        if types and formats and not formats & DELIMITED:
            raise ValueError("is for CSV and TSV only: NDJSON and Parquet carry their own types")
        return types

    def spec(self) -> SourceSpec:
        """Return the table as the plain value that the sources take."""
        return SourceSpec(
            paths=self.path,
            format=self.format,
            id=self.id,
            fields=self.fields,
            exclude=frozenset(self.exclude),
            rename=dict(self.rename),
            types=dict(self.types),
            nulls=self.nulls,
        )


class UploadTable(Table):
    """`[upload]`: how fast, in what portions, and for how long."""

    batch_size: int = Field(default=CHUNK_RECORDS_MAX, ge=1, le=CHUNK_RECORDS_MAX)
    max_body_bytes: int = Field(default=8_000_000, ge=1, le=1 << 30)
    concurrency: int = Field(default=8, ge=1, le=1000)
    requests_per_second: float = Field(default=10.0, gt=0, le=100_000, allow_inf_nan=False)
    retry_window_s: SecondsOrNone = 900.0
    drain_timeout_s: SecondsOrNone = 60.0
    deadline: Annotated[time, BeforeValidator(as_deadline)] | None = None


class GuardTable(Table):
    """`[guard]`: when a run stops because its source cannot be right."""

    max_rejected: Limit = Threshold(percent=5.0)
    min_records: int | None = Field(default=None, ge=1)
    max_shrink: Limit | None = None


class StateTable(Table):
    """`[state]`: where runs, reports and the journal live."""

    dir: FilePath = Path("engine-state")


class NotifyTable(Table):
    """`[notify]`: who hears about a run."""

    healthcheck_url: HttpUrl | None = Field(default=None, repr=False)
    command: Annotated[tuple[str, ...], BeforeValidator(as_arguments)] | None = None
    prometheus_textfile: FilePath | None = None
    prometheus_port: int | None = Field(default=None, ge=1, le=65_535)


class LogTable(Table):
    """`[log]`: what a run says on stderr. `auto` is for people on a terminal and JSON lines elsewhere."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class RunSettings(Table):
    """The tables that a run needs wherever its records come from."""

    api: ApiTable
    upload: UploadTable
    guard: GuardTable
    state: StateTable
    notify: NotifyTable
    log: LogTable


class Settings(RunSettings):
    """All tables. Made by `load` or `from_tables`, which raise `ConfigError`."""

    source: SourceTable

    @field_validator("source")
    @classmethod
    def _countable(cls, source: SourceTable, info: ValidationInfo) -> SourceTable:
        guard = info.data.get("guard")
        if guard and source.path == (STDIN,) and (guard.min_records or guard.max_shrink):
            raise PydanticCustomError(
                CONTRADICTION,
                "min_records and max_shrink count the source before it is sent, but standard input can be read only "
                "once; remove them, or name a file in source.path",
                {"key": "guard"},
            )
        return source
