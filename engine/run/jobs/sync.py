"""The main job: every record of the source once through the pipeline."""

from __future__ import annotations

import asyncio
from functools import partial

from engine.outlets import ProgressDisplay
from engine.reading import ReaderProcess, pays
from engine.report import Report
from engine.run.job import Job, identity_of, reading_of, source_identity_of
from engine.settings import Settings
from engine.values import Stop


async def sync(
    settings: Settings,
    *,
    fresh: bool = False,
    limit: int | None = None,
    stop: Stop | None = None,
    display: ProgressDisplay | None = None,
    config_path: str = "",
) -> Report:
    """Bring every record of the source to the API, resuming an interrupted run of it; see `engine.sync`.

    `config_path` is where the settings came from, for the commands that the report suggests.

    Raises:
        EngineError: the run could not begin; nothing was sent. Once it has begun, its end is in the report.
    """
    reading = reading_of(settings, limit)
    source = await asyncio.to_thread(reading.open)
    reader = ReaderProcess(reading) if pays(source.size()) else None
    chunks = reader.chunks if reader else partial(reading.cutting.cut, source)
    identity = {**identity_of(settings, limit), **source_identity_of(settings)}
    job = Job("sync", source, chunks, identity, fresh, limit, config_path=config_path)
    try:
        from engine.run.lifecycle import carry_out  # takes long: the reader gets going meanwhile

        return await carry_out(lambda _journal: job, settings, stop=stop or Stop(), display=display)
    finally:
        if reader:
            reader.close()
