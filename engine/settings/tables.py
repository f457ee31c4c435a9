"""The settings: one TOML file, overridden by `ENGINE_TABLE__KEY` variables, checked whole before anything is read.

`config.example.toml` documents every key for users; the models below are what it is tested against. All mistakes are
collected into one `ConfigError` (see `mistakes.py`), which names keys and never repeats a value: it could be a
secret. pydantic would do as well, but importing it took longer than all that is done here, before every run.
"""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal

from engine.settings.addresses import as_address, read_addresses
from engine.settings.credentials import read_token
from engine.settings.kinds import SECRET, Bounds, MistakeAt
from engine.settings.route import RouteTable
from engine.settings.shaping import Constant
from engine.settings.source import SourceTable
from engine.settings.table import Context, FilePath, HttpUrl, Limit, Seconds, SecondsOrNone, Table, Text, check
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

Address = Annotated[str, as_address]
Duration = Annotated[float, as_duration, Bounds(above=0)]


class ApiTable(Table):
    """`[api]`: where the records go, and as whom."""

    url: Annotated[str, as_service_url] = "https://api.agents.timepay.ai/api/v1"
    campaign_id: Text
    token_env: Annotated[str, as_variable_name] = "TIMEPAY_TOKEN"  # noqa: S105 - the name of a variable
    token_file: FilePath | None = None
    org_id: Annotated[str, as_header_text] | None = None
    timeout_s: Seconds = 120.0
    ca_file: FilePath | None = None
    proxy: Annotated[HttpUrl | None, SECRET] = None

    def read_token(self) -> str:
        """Read the token afresh: tokens rotate.

        Raises:
            ConfigError: the variable or file is missing, empty, or holds what can't be a token.
        """
        return read_token(self.token_env, self.token_file, os.environ)


class RoutedApiTable(ApiTable):
    """As `ApiTable`, where records say themselves which campaign they are for."""

    campaign_id: str = ""

    @check("campaign_id")
    @staticmethod
    def _is_no_one(_: str, __: Context) -> str:
        return ""


class UploadTable(Table):
    """`[upload]`: how fast, in what portions, and for how long."""

    batch_size: Annotated[int, Bounds(at_least=1, at_most=CHUNK_RECORDS_MAX)] = CHUNK_RECORDS_MAX
    max_body_bytes: Annotated[int, Bounds(at_least=1, at_most=1 << 30)] = 8_000_000
    concurrency: Annotated[int, Bounds(at_least=1, at_most=1000)] = 8
    requests_per_second: Annotated[float, Bounds(above=0, at_most=100_000, is_finite=True)] = 10.0
    retry_window_s: SecondsOrNone = 900.0
    drain_timeout_s: SecondsOrNone = 60.0
    deadline: Annotated[time, as_deadline] | None = None
    late_copy_s: SecondsOrNone | None = None


class GuardTable(Table):
    """`[guard]`: when a run stops because its source cannot be right."""

    max_rejected: Limit = Threshold(percent=5.0)
    min_records: Annotated[int | None, Bounds(at_least=1)] = None
    max_shrink: Limit | None = None
    max_invalid: Limit = Threshold(percent=5.0)
    max_gone: Limit = Threshold(percent=2.0)
    max_superseded: Limit = Threshold(percent=50.0)
    max_age: Duration | None = None


Gone = Literal["report", "ignore"] | Annotated[dict[Text, Constant], as_constants]


class DeltaTable(Table):
    """`[delta]`: whether only what has changed is sent, and what becomes of what is gone."""

    mode: Literal["off", "changed"] = "off"
    full_every: Duration | None = None
    gone: Gone = "report"
    moved: Literal["report", "gone"] = "report"
    feed: Text | None = None

    @check("moved")
    @staticmethod
    def _has_constants(value: str, context: Context) -> str:
        if value == "gone" and "gone" in context.earlier and not isinstance(context.earlier["gone"], dict):
            raise ValueError("needs the fields to send: give them in delta.gone")
        return value

    def constants(self) -> dict[str, Scalar] | None:
        """Return the fields that gone ids get, if they get any."""
        return self.gone if isinstance(self.gone, dict) else None

    def identity(self) -> dict[str, Any]:
        """Return, as plain values, the keys that decide what is sent; none with delta off."""
        return {} if self.mode == "off" else self.as_plain()


class StateTable(Table):
    """`[state]`: where runs, reports and the journal live."""

    dir: FilePath = Path("engine-state")
    keep_days: Annotated[int, Bounds(at_least=1, at_most=36_500)] = 90
    resume_within: Annotated[float, as_duration, Bounds(at_least=0)] = 21_600.0
    reject_data: bool = True
    publish: Text | None = None
    publish_rejects: bool = False

    @check("publish")
    @staticmethod
    def _publish(value: str | None, _: Context) -> str | None:
        if value is not None:
            parse_address(value)
        return value


class NotifyTable(Table):
    """`[notify]`: who hears about a run."""

    healthcheck_url: Annotated[HttpUrl | None, SECRET] = None
    command: Annotated[tuple[str, ...], as_arguments] | None = None
    prometheus_textfile: FilePath | None = None
    prometheus_port: Annotated[int | None, Bounds(at_least=1, at_most=65_535)] = None
    urls: Annotated[tuple[Address, ...], as_list, SECRET] = ()
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

    @check("delta")
    @staticmethod
    def _known_fields(delta: DeltaTable, context: Context) -> DeltaTable:
        source, constants = context.earlier.get("source"), delta.constants()
        if source is None or constants is None or source.id is None:
            return delta
        unknown = [name for name in constants if name not in source.constants and source.column_of(name) is None]
        if unknown:
            raise MistakeAt(
                ("delta", "gone"),
                f"gives gone records a field that no other record gets: {unknown[0]}; "
                "it must be one that [source] sends",
            )
        return delta

    @check("source")
    @staticmethod
    def _countable(source: SourceTable, context: Context) -> SourceTable:
        guard = context.earlier.get("guard")
        if guard and source.path == (STDIN,) and (guard.min_records or guard.max_shrink):
            raise MistakeAt(
                ("guard",),
                "min_records and max_shrink count the source before it is sent, but standard input can be read only "
                "once; remove them, or name a file in source.path",
            )
        return source


class RoutedSettings(Settings):
    """All tables, of a source that holds several campaigns: `api.campaign_id` is empty."""

    api: RoutedApiTable
