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

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from engine.settings.addresses import as_address, read_addresses
from engine.settings.credentials import read_token
from engine.settings.mistakes import CONTRADICTION
from engine.settings.route import RouteTable
from engine.settings.shaping import Constant
from engine.settings.source import SourceTable
from engine.settings.table import FilePath, HttpUrl, Limit, Seconds, SecondsOrNone, Table, Text
from engine.settings.values import (
    Threshold,
    as_arguments,
    as_constants,
    as_deadline,
    as_duration,
    as_header_text,
    as_list,
    as_service_url,
    as_variable_name,
)
from engine.sources import STDIN, Scalar, parse_address
from engine.values import CHUNK_RECORDS_MAX

Address = Annotated[str, BeforeValidator(as_address)]
Duration = Annotated[float, BeforeValidator(as_duration), Field(gt=0)]


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


class RoutedApiTable(ApiTable):
    """As `ApiTable`, where records say themselves which campaign they are for."""

    campaign_id: str = ""

    @field_validator("campaign_id")
    @classmethod
    def _is_no_one(cls, _: str) -> str:
        return ""


class UploadTable(Table):
    """`[upload]`: how fast, in what portions, and for how long."""

    batch_size: int = Field(default=CHUNK_RECORDS_MAX, ge=1, le=CHUNK_RECORDS_MAX)
    max_body_bytes: int = Field(default=8_000_000, ge=1, le=1 << 30)
    concurrency: int = Field(default=8, ge=1, le=1000)
    requests_per_second: float = Field(default=10.0, gt=0, le=100_000, allow_inf_nan=False)
    retry_window_s: SecondsOrNone = 900.0
    drain_timeout_s: SecondsOrNone = 60.0
    deadline: Annotated[time, BeforeValidator(as_deadline)] | None = None
    late_copy_s: SecondsOrNone | None = None


class GuardTable(Table):
    """`[guard]`: when a run stops because its source cannot be right."""

    max_rejected: Limit = Threshold(percent=5.0)
    min_records: int | None = Field(default=None, ge=1)
    max_shrink: Limit | None = None
    max_invalid: Limit = Threshold(percent=5.0)
    max_gone: Limit = Threshold(percent=2.0)
    max_superseded: Limit = Threshold(percent=50.0)
    max_age: Duration | None = None


Gone = Annotated[
    Annotated[Literal["report", "ignore"], Tag("word")]
    | Annotated[dict[Text, Constant], BeforeValidator(as_constants), Tag("table")],
    Discriminator(lambda value: "table" if isinstance(value, dict) else "word"),
]


class DeltaTable(Table):
    """`[delta]`: whether only what has changed is sent, and what becomes of what is gone."""

    mode: Literal["off", "changed"] = "off"
    full_every: Duration | None = None
    gone: Gone = "report"
    moved: Literal["report", "gone"] = "report"
    feed: Text | None = None

    @field_validator("moved")
    @classmethod
    def _has_constants(cls, value: str, info: ValidationInfo) -> str:
        if value == "gone" and "gone" in info.data and not isinstance(info.data["gone"], dict):
            raise ValueError("needs the fields to send: give them in delta.gone")
        return value

    def constants(self) -> dict[str, Scalar] | None:
        """Return the fields that gone ids get, if they get any."""
        return self.gone if isinstance(self.gone, dict) else None

    def identity(self) -> dict[str, Any]:
        """Return, as plain values, the keys that decide what is sent; none with delta off."""
        return {} if self.mode == "off" else self.model_dump(mode="json")


class StateTable(Table):
    """`[state]`: where runs, reports and the journal live."""

    dir: FilePath = Path("engine-state")
    keep_days: int = Field(default=90, ge=1, le=36_500)
    resume_within: Annotated[float, BeforeValidator(as_duration), Field(ge=0)] = 21_600.0
    reject_data: bool = True
    publish: Text | None = None
    publish_rejects: bool = False

    @field_validator("publish")
    @classmethod
    def _publish(cls, value: str | None) -> str | None:
        if value is not None:
            parse_address(value)
        return value


class NotifyTable(Table):
    """`[notify]`: who hears about a run."""

    healthcheck_url: HttpUrl | None = Field(default=None, repr=False)
    command: Annotated[tuple[str, ...], BeforeValidator(as_arguments)] | None = None
    prometheus_textfile: FilePath | None = None
    prometheus_port: int | None = Field(default=None, ge=1, le=65_535)
    urls: Annotated[tuple[Address, ...], BeforeValidator(as_list)] = Field(default=(), repr=False)
    on: Literal["failure", "always", "change"] = "failure"

    def read_urls(self) -> tuple[str, ...]:
        """Read afresh the addresses that `urls` are or name.

        Raises:
            ConfigError: a variable or file is missing, or holds no address.
        """
        return read_addresses(self.urls, os.environ)


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
    delta: DeltaTable
    route: RouteTable

    @field_validator("delta")
    @classmethod
    def _known_fields(cls, delta: DeltaTable, info: ValidationInfo) -> DeltaTable:
        source, constants = info.data.get("source"), delta.constants()
        if source is None or constants is None or source.id is None:
            return delta
        unknown = [name for name in constants if name not in source.constants and source.column_of(name) is None]
        if unknown:
            raise PydanticCustomError(
                CONTRADICTION,
                "gives gone records a field that no other record gets: {name}; it must be one that [source] sends",
                {"key": "delta.gone", "name": unknown[0]},
            )
        return delta

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


class RoutedSettings(Settings):
    """All tables, of a source that holds several campaigns: `api.campaign_id` is empty."""

    api: RoutedApiTable
