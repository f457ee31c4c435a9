"""A run made by hand: plain settings, chunks that are given, and its journal in a real state directory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.api.http import HttpBulkApi
from engine.outlets.progress import ProgressSnapshot
from engine.run.active_run import ActiveRun
from engine.run.job import Job, endpoint_of, identity_of
from engine.settings.table import tables_of
from engine.settings.tables import RunSettings
from engine.state.journal import Journal, Run
from engine.state.sqlite_journal import SqliteJournal
from engine.state.thread import OwnThread
from engine.values import Block, Chunk
from engine.values.counts import ChunkCounts
from engine.values.stopping import Stop
from tests.reports import RUN_ID

NOWHERE = "http://127.0.0.1:9/api/v1"
"""Nobody listens there: what must send nothing can be told to send it there."""


def settings_of(state_dir: Path, **tables: Mapping[str, object]) -> RunSettings:
    """Settings of a run that goes nowhere, unless `api` says where."""
    given: dict[str, dict[str, object]] = {name: dict(table) for name, table in tables.items()}
    given["api"] = {"url": NOWHERE, "campaign_id": "camp"} | given.get("api", {})
    every: dict[str, dict[str, object]] = {name: {} for name in tables_of(RunSettings)}
    return RunSettings.read({**every, **given, "state": {"dir": str(state_dir)} | given.get("state", {})})


@dataclass(frozen=True, slots=True)
class GivenSource:
    """A source of which only the size is known."""

    bytes_: int | None = None
    label: str = "portfolio.ndjson"
    paths: tuple[str, ...] = ()

    def size(self) -> int | None:
        return self.bytes_

    def sizes(self) -> dict[str, int]:
        return {self.label: self.bytes_} if self.bytes_ else {}

    def digests(self) -> dict[str, str]:
        return {}

    def modified_at(self) -> float | None:
        return None

    def blocks(self) -> Iterator[Block]:
        yield from ()


def job_of(settings: RunSettings, chunks: Sequence[Chunk], source: GivenSource | None = None, **changes: Any) -> Job:
    """A job of these chunks."""
    return Job("sync", source or GivenSource(), lambda: iter(chunks), identity_of(settings), **changes)


@asynccontextmanager
async def active_run(
    settings: RunSettings,
    chunks: Sequence[Chunk] = (),
    source: GivenSource | None = None,
    learned: Mapping[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[ActiveRun]:
    """A run of these chunks that has just begun; `changes` are of its job."""

    async with OwnThread[Journal](lambda: SqliteJournal(settings.state.dir), lambda journal: journal.close()) as thread:
        run = Run(RUN_ID, "sync", settings.api.campaign_id, "2026-11-23T02:00:00.000Z", {})
        await thread.call(thread.value.begin, run)
        yield ActiveRun(
            job_of(settings, chunks, source, **changes),
            run,
            settings,
            found={},
            durable=ChunkCounts(),
            learned=learned,
            thread=thread,
            api=HttpBulkApi(endpoint_of(settings, lambda: "token")),
            stop=Stop(),
        )


class Shown:
    """A display that remembers."""

    def __init__(self) -> None:
        self.snapshots: list[ProgressSnapshot] = []
        self.messages: list[str] = []
        self.closed = 0

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Remember the snapshot."""
        assert not self.closed, "a closed display shows nothing more"
        self.snapshots.append(snapshot)

    def message(self, text: str) -> None:
        """Remember the sentence."""
        self.messages.append(text)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed += 1
