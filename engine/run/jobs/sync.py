"""The main job: every record of the source once through the pipeline."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from msgspec import Struct

from engine.outlets import NoProgress, ProgressDisplay
from engine.reading import Pass, PassHere, ReaderProcess, Reading, SpawnedReader, pays
from engine.report import Report
from engine.run.abandonable import abandonable
from engine.run.job import (
    HASHED_FIRST_BYTES,
    Job,
    delta_identity_of,
    delta_of,
    identity_of,
    reading_of,
    source_identity_of,
)
from engine.settings import Settings
from engine.sources import FileFingerprint, Source, fingerprint, scheme_of
from engine.state import Run, journal_copy
from engine.values import EngineError, SourceUntrusted, Stop, program


async def sync(
    settings: Settings,
    *,
    fresh: bool = False,
    full: bool = False,
    limit: int | None = None,
    stop: Stop | None = None,
    display: ProgressDisplay | None = None,
    config_path: str = "",
    spawned: SpawnedReader | None = None,
) -> Report:
    """Bring every record of the source to the API, resuming an interrupted run of it; see `engine.sync`.

    `config_path` is where the settings came from, for the commands that the report suggests. `spawned` may read the
    source, unless that lies in a store.

    Raises:
        EngineError: the run could not begin; nothing was sent. Once it has begun, its end is in the report.
    """
    wanted = stop or Stop()
    identity = _identity(settings, limit, full=full)
    delta = delta_of(settings, full=full)
    with ExitStack() as opened:

        def job_of(reading: Reading, source: Source) -> Job:
            reader = _reader(reading, source, spawned, compared=delta is not None)
            if reader:
                opened.callback(reader.close)
            pass_: Pass = reader or PassHere(reading.cutting, source)
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
                is_rereadable=source.size() is not None,
                holds_all=_holds_all(settings),
            )

        reading = reading_of(settings, limit, settings.upload.retry_window_s)
        if settings.source.database is None:
            job = job_of(*await _opened(reading, wanted))
            from engine.run.lifecycle import carry_out  # takes long: the reader gets going meanwhile

            return await carry_out(lambda _journal: job, settings, stop=wanted, display=display)
        from engine.run.continuing import Claim
        from engine.run.lifecycle import carry_out
        from engine.run.spooled import SpooledSource

        claim = Claim("sync", identity, {}, fresh, _holds_all(settings))
        spooled = SpooledSource(settings, reading, claim, wanted, display or NoProgress())

        def plan(_journal: object) -> Job:
            return spooled.job(job_of(spooled.reading, spooled.reading.open()))

        return await carry_out(plan, settings, stop=wanted, display=display, first=spooled.read)


def _reader(reading: Reading, source: Source, spawned: SpawnedReader | None, *, compared: bool) -> ReaderProcess | None:
    """Return the process that reads, if one pays."""
    if not pays(source.size()):
        return None
    lies_in_store = any(map(scheme_of, reading.spec.paths))
    return ReaderProcess(reading, compared=compared, spawned=None if lies_in_store else spawned)


async def _opened(reading: Reading, stop: Stop) -> tuple[Reading, Source]:
    """Find the files, once for both processes, and open them; a store that is out of reach does not hold a stop."""
    if any(map(scheme_of, reading.spec.paths)):
        reading = await abandonable(reading.with_files, stop)
        return reading, await abandonable(reading.open, stop)
    reading = await asyncio.to_thread(reading.with_files)
    return reading, await asyncio.to_thread(reading.open)


class NextSync(Struct, frozen=True):
    """What becomes of an unfinished sync under the settings and the source of today."""

    flags: tuple[str, ...] = ()
    """With which it was begun: the command that goes on with it needs them, too."""
    continues: bool = False
    """Whether a sync with these flags goes on with it; else that begins a new run instead."""
    problem: str = ""
    """Why a sync would do neither; empty if it does one."""

    @property
    def what(self) -> str:
        """Say what the next sync does."""
        return "resumes it" if self.continues else "begins a new run instead"

    def command(self, config_path: str) -> str:
        """Return the command to type: what goes on with it, or begins anew."""
        flags = ("--fresh",) if self.problem else self.flags if self.continues else ()
        return f"{program()} {shlex.join(['sync', *flags, '-c', config_path])}"


def next_sync(settings: Settings, unfinished: Run, found: Mapping[str, FileFingerprint]) -> NextSync:
    """Return what becomes of an `unfinished` sync when the next one finds such files, or asks its database."""
    if settings.source.database is not None:
        return _next_of_database(settings, unfinished)
    return _next_of_files(settings, unfinished, found)


def _next_of_files(settings: Settings, unfinished: Run, found: Mapping[str, FileFingerprint]) -> NextSync:
    from engine.run.continuing import Claim, Waiting, flags_of, run_to_continue

    limit, full = unfinished.identity.get("--limit"), bool(unfinished.identity.get("--full"))
    claim = Claim("sync", _identity(settings, limit, full=full), found, holds_all=_holds_all(settings))
    waiting = Waiting(unfinished, unfinished)
    try:
        left = run_to_continue(claim, waiting, resume_within_s=settings.state.resume_within, now=time.time())
    except SourceUntrusted as error:
        return NextSync(problem=str(error))
    return NextSync(flags_of(unfinished.identity), continues=left is not None)


def waiting_sync(settings: Settings) -> NextSync | None:
    """Return what becomes of the sync that waits to be continued; None if none does. Nothing is written.

    A file that takes long to be read is judged by its size alone. Call it while no run is under way.

    Raises:
        StateFailed: the journal can't be read.
    """
    with journal_copy(settings.state.dir) as journal:
        unfinished = journal.unfinished_run("sync")
    if unfinished is None:
        return None
    if settings.source.database is not None:
        return _next_of_database(settings, unfinished)
    try:
        source = reading_of(settings, None).open()
        digests = source.digests() if (source.size() or HASHED_FIRST_BYTES) < HASHED_FIRST_BYTES else {}
        return next_sync(settings, unfinished, fingerprint(source.sizes(), digests))
    except EngineError as error:
        return NextSync(problem=str(error))


def _next_of_database(settings: Settings, unfinished: Run) -> NextSync:
    """Return what becomes of a sync of a database: that is read anew if what the run has read is gone or too old."""
    from engine.run.spooled import spool_of_run

    then = _next_of_files(settings, unfinished, unfinished.fingerprint or {})
    return then if not then.continues or spool_of_run(settings, unfinished) is not None else NextSync()


def _identity(settings: Settings, limit: int | None, *, full: bool) -> dict[str, Any]:
    return {
        **identity_of(settings, limit),
        **source_identity_of(settings),
        **delta_identity_of(settings, full=full),
    }


def _holds_all(settings: Settings) -> bool:
    return settings.source.holds == "portfolio"
