"""The main job: every record of the source once through the pipeline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from engine.outlets import NoProgress, ProgressDisplay
from engine.reading import Pass, PassHere, ReaderProcess, Reading, pays
from engine.report import Report
from engine.run.job import Job, delta_identity_of, delta_of, identity_of, reading_of, source_identity_of
from engine.settings import Settings
from engine.sources import FileFingerprint, Source
from engine.state import Run
from engine.values import Stop


async def sync(
    settings: Settings,
    *,
    fresh: bool = False,
    full: bool = False,
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
    wanted = stop or Stop()
    identity = _identity(settings, limit, full=full)
    delta = delta_of(settings, full=full)

    def job_of(source: Source, pass_: Pass) -> Job:
        return Job(
            "sync",
            source,
            pass_.chunks,
            identity,
            fresh,
            limit,
            config_path=config_path,
            delta=delta,
            compared=pass_ if delta is not None else None,
            holds_all=_holds_all(settings),
        )

    with ExitStack() as opened:

        def opened_pass(reading: Reading) -> Job:
            source = reading.open()
            if not pays(source.size()):
                return job_of(source, PassHere(reading.cutting, source))
            reader = ReaderProcess(reading, compared=delta is not None)
            opened.callback(reader.close)
            return job_of(source, reader)

        reading = await asyncio.to_thread(reading_of, settings, limit)
        if settings.source.database is None:
            reading = await asyncio.to_thread(reading.with_files)  # once, for both processes
            job = await asyncio.to_thread(opened_pass, reading)
            from engine.run.lifecycle import carry_out  # takes long: the reader gets going meanwhile

            return await carry_out(lambda _journal: job, settings, stop=wanted, display=display)
        from engine.run.continuing import Claim
        from engine.run.lifecycle import carry_out
        from engine.run.spooled import SpooledSource

        claim = Claim("sync", identity, {}, fresh, _holds_all(settings))
        spooled = SpooledSource(settings, reading, claim, wanted, display or NoProgress())
        plan = lambda _journal: spooled.job(opened_pass(spooled.reading))  # noqa: E731
        return await carry_out(plan, settings, stop=wanted, display=display, first=spooled.read)


def next_sync_continues(settings: Settings, unfinished: Run, found: Mapping[str, FileFingerprint]) -> bool:
    """Return whether the next sync goes on with the `unfinished` one; else it begins a new run instead.

    Raises:
        SourceUntrusted: it would do neither.
    """
    from engine.run.continuing import Claim, Waiting, run_to_continue

    if settings.source.database is not None:
        found = unfinished.fingerprint or {}  # it is read anew if what the run has read of it is gone or too old
    claim = Claim("sync", _identity(settings, None, full=False), found, holds_all=_holds_all(settings))
    within_s, waiting = settings.state.resume_within, Waiting(unfinished, unfinished)
    if run_to_continue(claim, waiting, resume_within_s=within_s, now=time.time()) is None:
        return False
    if settings.source.database is None:
        return True
    from engine.run.spooled import spool_of_run

    return spool_of_run(settings, unfinished) is not None


def _identity(settings: Settings, limit: int | None, *, full: bool) -> dict[str, Any]:
    return {
        **identity_of(settings, limit),
        **source_identity_of(settings),
        **delta_identity_of(settings, full=full),
    }


def _holds_all(settings: Settings) -> bool:
    return settings.source.holds == "portfolio"
