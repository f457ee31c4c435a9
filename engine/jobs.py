"""The jobs: the main one, every record of the source once through the pipeline, and the same for given records."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from functools import partial
from os import PathLike
from typing import Any

from engine.config import Settings, from_tables
from engine.job import Job, identity_of, reading_of
from engine.progress import ProgressDisplay
from engine.reading.process import ReaderProcess, pays
from engine.report import Report
from engine.sources.pairs import PairsSource
from engine.stopping import Stop


async def sync(
    settings: Settings,
    *,
    fresh: bool = False,
    limit: int | None = None,
    stop: Stop | None = None,
    display: ProgressDisplay | None = None,
    config_path: str = "",
) -> Report:
    """Bring every record of the source to the API, resuming an interrupted run of the same source and settings.

    Args:
        settings: made by `engine.config.load` or `from_tables`.
        fresh: start over instead of resuming.
        limit: only so many records, the first ones.
        stop: lets the caller ask for a graceful end.
        display: shows progress.
        config_path: where the settings came from, for the commands that the report suggests.

    Raises:
        EngineError: the run could not begin; nothing was sent. Once it has begun, its end is in the report.
    """
    reading = reading_of(settings, limit)
    source = reading.open()
    reader = ReaderProcess(reading) if pays(source.total_bytes) else None
    chunks = reader.chunks if reader else partial(reading.cutting.cut, source)
    job = Job("sync", source, chunks, identity_of(settings, limit), fresh, limit, config_path=config_path)
    try:
        from engine.run import carry_out  # takes long: the reader gets going meanwhile

        return await carry_out(lambda _journal: job, settings, stop=stop or Stop(), display=display)
    finally:
        if reader:
            reader.close()


async def push(
    records: Iterable[Any] | AsyncIterable[Any],
    *,
    url: str,
    campaign_id: str,
    token: str,
    state_dir: str | PathLike[str],
    org_id: str | None,
    fresh: bool,
    stop: Stop | None,
    upload: Mapping[str, Any],
) -> Report:
    """Send `(id, data)` pairs; see `engine.push`."""
    tables: dict[str, dict[str, object]] = {
        "api": {"url": url, "campaign_id": campaign_id, **({"org_id": org_id} if org_id else {})},
        "source": {"path": ["-"], "format": "ndjson"},  # not read: the records are given
        "state": {"dir": str(state_dir)},
        "upload": dict(upload),
    }
    settings = from_tables(tables, origin="the arguments of push")
    source = PairsSource(records, settings.upload.batch_size)
    chunks = partial(reading_of(settings, None).cutting.cut, source)
    identity = {key: value for key, value in identity_of(settings, None).items() if not key.startswith("source.")}
    job = Job("push", source, chunks, identity, fresh)
    from engine.run import carry_out

    return await carry_out(lambda _journal: job, settings, stop=stop or Stop(), read_token=lambda: token)
