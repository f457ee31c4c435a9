"""A portfolio in a file, settings that send it to a stand-in, and what an interrupted run of it left."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from engine.run.job import Job, identity_of, reading_of, source_identity_of
from engine.settings.loading import from_tables
from engine.settings.tables import Settings
from engine.simulator.process import StandInProcess
from engine.sources.stored.fingerprint import fingerprint
from engine.state.journal import Run
from engine.state.sqlite_journal import SqliteJournal
from engine.values import ChunkResult
from engine.values.counts import RequestCounts
from tests.acceptance.portfolios import Portfolio, portfolio, write_ndjson
from tests.run.runs import NOWHERE
from tests.stand_in import fresh_ids

INTERRUPTED_ID = "20261122T020000Z-0f0f0f"


class Night:
    """Thirty loans whose ids nobody else has, in chunks of ten; without a server, whatever is sent is lost."""

    def __init__(self, home: Path, server: StandInProcess | None = None, **tables: dict[str, Any]) -> None:
        self.path = home / "loans.ndjson"
        self.state_dir = home / "state"
        self.loans: Portfolio = dict(zip(fresh_ids(30, "loan_"), portfolio(30).values(), strict=True))
        self._server = server
        write_ndjson(self.path, self.loans)
        self._tables: dict[str, dict[str, Any]] = {
            "api": {"url": server.url if server else NOWHERE, "campaign_id": server.campaign_id if server else "camp"},
            "source": {"path": str(self.path)},
            "state": {"dir": str(self.state_dir)},
            "upload": {"batch_size": 10, "requests_per_second": 500.0, "late_copy_s": 0.1, "retry_window_s": 5.0},
        }
        self.settings = self.settings_with(**tables)

    def settings_with(self, **tables: dict[str, Any]) -> Settings:
        """The settings, with these keys changed."""
        merged = {name: self._tables.get(name, {}) | tables.get(name, {}) for name in {*self._tables, *tables}}
        return from_tables(merged)

    def job(self, settings: Settings | None = None, **changes: Any) -> Job:
        """The main job, as `sync` makes it."""
        settings = settings or self.settings
        reading = reading_of(settings, None)
        source = reading.open()
        identity = {**identity_of(settings), **source_identity_of(settings)}
        return replace(Job("sync", source, partial(reading.cutting.cut, source), identity), **changes)

    def interrupt(self, *, done: int = 1, kind: str = "sync") -> None:
        """Leave a run that was killed when its first `done` chunks were durable, and as many requests sent."""
        job, journal = self.job(), SqliteJournal(self.state_dir)
        run = Run(INTERRUPTED_ID, kind, self.settings.api.campaign_id, "2026-11-22T02:00:00.000Z", job.identity)
        journal.begin(run)
        journal.note_sending(run, self.settings.upload.concurrency)
        if done:
            digests = {path: digest for chunk in job.chunks() for path, digest in chunk.digests.items()}
            journal.set_fingerprint(run, fingerprint(job.source.sizes(), digests))
        requests = RequestCounts(sent=done, succeeded=done)
        results = [ChunkResult(chunk) for chunk, _ in zip(job.chunks(), range(done), strict=False)]
        journal.record(run, results, 5.0, requests)
        journal.close()

    def unfinished(self, kind: str = "sync") -> Run | None:
        """The run that could be resumed."""
        journal = SqliteJournal(self.state_dir)
        try:
            return journal.unfinished_run(kind)
        finally:
            journal.close()

    def write(self) -> None:
        """Write the loans as they are now. Blocks."""
        write_ndjson(self.path, self.loans)

    def arrived(self) -> Portfolio:
        """What the server holds of these loans. Blocks."""
        assert self._server is not None
        return self._server.state(self.loans)

    def first_ids(self, count: int) -> Collection[str]:
        """The ids of so many loans, in the order of the file."""
        return list(self.loans)[:count]
