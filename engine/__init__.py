"""Bring a whole portfolio into the customer-data bulk update API, true to the last record.

As a library: `await engine.sync(settings)` runs the main job, `await engine.push(records, …)` sends any iterable of
`(id, data)` pairs, or the rows of any table that speaks Arrow. Both work in a running event loop, install no signal
handlers, and return the run's `Report`.

Beside these stand here what they take, what a report holds, and the errors that they raise.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from engine.values import lazy_face

if TYPE_CHECKING:
    import os

    from engine.report import (
        Ambiguous,
        CampaignReport,
        DeltaFacts,
        EngineFacts,
        Gone,
        Holdup,
        Input,
        Latency,
        LatencyHistogram,
        LimitMove,
        Pacing,
        ProcessStart,
        Report,
        RunStatus,
        Sample,
        Unread,
    )
    from engine.settings import Settings
    from engine.sources import Columns, ColumnType
    from engine.values import (
        VERSION as __version__,
        AccessRefused,
        AccountsDoNotBalance,
        CampaignMissing,
        ConfigError,
        EndpointUntrusted,
        EngineError,
        ExitCode,
        Interrupted,
        NotTheApi,
        Reason,
        RecordCounts,
        RequestCounts,
        SourceMissing,
        SourceUntrusted,
        StateFailed,
        StateLocked,
        Stop,
    )
else:
    __getattr__ = lazy_face(__name__)

__all__ = [
    "AccessRefused",
    "AccountsDoNotBalance",
    "Ambiguous",
    "CampaignMissing",
    "CampaignReport",
    "ConfigError",
    "DeltaFacts",
    "EndpointUntrusted",
    "EngineError",
    "EngineFacts",
    "ExitCode",
    "Gone",
    "Holdup",
    "Input",
    "Interrupted",
    "Latency",
    "LatencyHistogram",
    "LimitMove",
    "NotTheApi",
    "Pacing",
    "ProcessStart",
    "Reason",
    "RecordCounts",
    "Report",
    "RequestCounts",
    "RunStatus",
    "Sample",
    "Settings",
    "SourceMissing",
    "SourceUntrusted",
    "StateFailed",
    "StateLocked",
    "Stop",
    "Unread",
    "__version__",
    "load_config",
    "push",
    "sync",
]


def load_config(path: str | os.PathLike[str]) -> Settings:
    """Read the settings from the TOML file at `path`, overridden by `ENGINE_TABLE__KEY` variables.

    Raises:
        engine.ConfigError: the file is missing or no TOML, or its settings hold mistakes: all of them are named.
    """
    from pathlib import Path

    from engine.settings import load

    return load(Path(path))


async def sync(
    settings: Settings,
    *,
    fresh: bool = False,
    full: bool = False,
    limit: int | None = None,
    stop: Stop | None = None,
) -> Report:
    """Bring every record of the configured source to the API, resuming an interrupted run of it.

    Args:
        settings: made by `engine.load_config(path)`, or from tables by `engine.config.from_tables({"api": {…}, …})`.
        fresh: start over instead of resuming.
        full: with delta, send every record, also those that the ledger calls unchanged.
        limit: only so many records, the first ones.
        stop: `stop.request(error)` asks for a graceful end; the run can then be resumed.

    Raises:
        engine.EngineError: the run could not begin. Once it has begun, its end is in the report.
    """
    from engine.run import sync as run_sync

    return await run_sync(settings, fresh=fresh, full=full, limit=limit, stop=stop)


@overload
async def push(
    records: Iterable[tuple[str, Mapping[str, Any]]] | AsyncIterable[tuple[str, Mapping[str, Any]]],
    *,
    url: str,
    campaign_id: str,
    token: str,
    state_dir: str | os.PathLike[str],
    org_id: str | None = None,
    fresh: bool = False,
    stop: Stop | None = None,
    id: None = None,
    **given: Any,
) -> Report: ...


@overload
async def push(
    records: Columns | Iterable[Columns] | AsyncIterable[Columns],
    *,
    url: str,
    campaign_id: str,
    token: str,
    state_dir: str | os.PathLike[str],
    org_id: str | None = None,
    fresh: bool = False,
    stop: Stop | None = None,
    id: str,
    fields: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    types: Mapping[str, ColumnType] | None = None,
    **given: Any,
) -> Report: ...


async def push(
    records: Any,
    *,
    url: str,
    campaign_id: str,
    token: str,
    state_dir: str | os.PathLike[str],
    org_id: str | None = None,
    fresh: bool = False,
    stop: Stop | None = None,
    **given: Any,
) -> Report:
    """Send `(id, data)` pairs, or the rows of Arrow data, with the guarantees of a sync.

    Calling it again with the same records resumes an interrupted push. A pair that is no valid record, or a row, is
    `invalid` in the report, with its position, counted from 1, as its row.

    Args:
        records: pairs of a non-empty string and a non-empty mapping that JSON can hold; any iterable, or async one. Or
            Arrow data: a table, a batch of rows, a reader of batches, a frame of polars or pandas, whatever has
            `__arrow_c_stream__` or `__arrow_c_array__`, or an iterable of it, sync or async. Its rows are read as those
            of Parquet, some thousands at a time.
        url: the base URL of the API.
        campaign_id: the campaign to update.
        token: the bearer token.
        state_dir: where journal, reports and rejects are kept.
        org_id: for accounts with several organisations.
        fresh: start over instead of resuming.
        stop: `stop.request(error)` asks for a graceful end.
        given: keys of the tables `[upload]` and `[guard]`, such as `batch_size`, `requests_per_second`, `max_rejected`
            ("5%", or a count) or `min_records` (of records that can be read twice, such as a list). With Arrow data
            also those of `[source]` that say what becomes of columns: `id`, the column that identifies a record, which
            must be given; `fields`, `exclude`, `rename`, `types`, `columns`, `constants`, `where`, `nulls`,
            `null_values`.

    Raises:
        engine.EngineError: the run could not begin. Once it has begun, its end is in the report.
    """
    from engine.run import push as run_push

    return await run_push(
        records,
        url=url,
        campaign_id=campaign_id,
        token=token,
        state_dir=state_dir,
        org_id=org_id,
        fresh=fresh,
        stop=stop,
        given=given,
    )
