"""A database as a source: before a run begins, its result lies in the state directory, all of it, and is then a file.

A run that is continued reads the result that it began with: its bytes are fixed. What is older than
`state.resume_within` is not continued but read anew, as is what belongs to no run that waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from engine.outlets import Harmless, ProgressDisplay, ProgressSnapshot, get_logger
from engine.reading import Reading
from engine.run.abandonable import abandonable
from engine.run.beside import beside
from engine.run.clock import Deadline
from engine.run.continuing import Claim, run_to_continue, waiting_for
from engine.run.job import Job, reading_of
from engine.settings import Settings
from engine.sources import DatabaseQuery, Spool, delete_spools, find_spool
from engine.state import Journal, OwnThread, Run
from engine.values import Interrupted, Stop

SPOOLS = "spool"
"""The directory of results, below the state directory."""

LOOKED_AT_ROWS = 1_000
"""So many rows are mapped by a look."""

TICK_S = 0.25


class SpooledSource:
    """The result of a database for one sync; `claim` is what that is about, as far as it is known before it reads."""

    def __init__(
        self, settings: Settings, reading: Reading, claim: Claim, stop: Stop, display: ProgressDisplay
    ) -> None:
        self._settings, self._claim = settings, claim
        self._stop, self._display = stop, display
        self._asked = asked_of(settings)
        self._directory = settings.state.dir / SPOOLS
        self._deadline = Deadline(settings.upload.deadline, time.monotonic)
        self._rows = 0
        self._taken_at = 0.0
        self.reading = reading
        """How it is read: once `read` is done, with its file."""

    async def read(self, thread: OwnThread[Journal]) -> None:
        """See to it that the result is there: the one of the run that is continued, or a new one.

        Raises:
            EngineError: it cannot be read, or the run that waits is about something else; nothing was sent.
        """
        continued = await thread.call(self._continued, thread.value)
        spool = None if continued is None else await asyncio.to_thread(spool_of_run, self._settings, continued)
        await asyncio.to_thread(delete_spools, self._directory, but=spool)
        if spool is None:
            async with beside(self._tick()):
                spool = await abandonable(self._new, self._stop)
            get_logger().info("database_read", source=self._asked.label, rows=self._rows, bytes=spool.file.size)
        self._taken_at = spool.taken_at
        self.reading = replace(self.reading, files=(spool.file,))

    def job(self, job: Job) -> Job:
        """Return the job that reads the result, with what is to be known of its age and its end."""
        return replace(job, taken_at=self._taken_at, discard=lambda: delete_spools(self._directory))

    def _continued(self, journal: Journal) -> Run | None:
        """Return the run that waits for the same question: known before the result that it began with is touched."""
        waiting = waiting_for(journal, "sync")
        claim = self._claim
        if waiting.own is not None:
            claim = Claim(claim.kind, claim.identity, waiting.own.fingerprint or {}, claim.fresh, claim.holds_all)
        within_s = self._settings.state.resume_within
        return run_to_continue(claim, waiting, resume_within_s=within_s, now=time.time())

    def _new(self) -> Spool:
        from engine.sources import spool_result  # here: it takes Arrow, and long to import

        return spool_result(
            self._asked,
            self.reading.spec,
            self._directory,
            password=self._settings.source.password,
            retry_window_s=self._settings.upload.retry_window_s,
            still_wanted=self._still_wanted,
            counted=self._count,
        )

    def _still_wanted(self) -> None:
        if self._stop.requested:
            raise self._stop.error or Interrupted("stopped")
        if self._deadline.left_s() <= 0:
            raise self._deadline.passed()

    def _count(self, rows: int) -> None:
        self._rows = rows

    async def _tick(self) -> None:
        started_at, harmless = time.monotonic(), Harmless("watching the database")
        while True:
            with harmless:
                self._display.update(
                    ProgressSnapshot(
                        elapsed_s=time.monotonic() - started_at,
                        records_read=self._rows,
                        waiting=f"reading {self._asked.label} first",
                    )
                )
            await asyncio.sleep(TICK_S)


def spool_of_run(settings: Settings, run: Run) -> Spool | None:
    """Return the result that a run has begun with, unless it is gone, or too old to be tonight's."""
    spool = find_spool(settings.state.dir / SPOOLS, asked_of(settings))
    if spool is None or spool.taken_at > datetime.fromisoformat(run.started_at).timestamp():
        return None
    is_old = time.time() - spool.taken_at > settings.state.resume_within
    return None if is_old and settings.source.holds == "portfolio" else spool


def asked_of(settings: Settings) -> DatabaseQuery:
    """Return what is asked of the database that the settings name."""
    asked = settings.source.asked()
    if asked is None:
        raise ValueError("these settings name no database")
    return asked


@contextmanager
def reading_for_a_look(settings: Settings, limit: int | None, *, whole: bool) -> Iterator[tuple[Reading, bool]]:
    """Lend how the source is read where nothing is sent, and whether that is all of it.

    The result of a database, its first rows if not the `whole`, lies in a temporary directory meanwhile.

    Raises:
        EngineError: the database cannot be read.
    """
    reading = reading_of(settings, limit)
    if settings.source.database is None:
        yield reading, True
        return
    from engine.sources import first_rows  # here: it takes Arrow, and long to import

    rows_max = LOOKED_AT_ROWS if not whole else limit if limit is not None else 1 << 62
    with TemporaryDirectory(prefix="bulk-sync-") as directory:
        spool, is_all = first_rows(
            asked_of(settings),
            reading.spec,
            Path(directory),
            password=settings.source.password,
            rows_max=rows_max,
        )
        yield replace(reading, files=(spool.file,)), is_all
