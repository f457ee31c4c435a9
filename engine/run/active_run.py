"""A run under way in this process: its parts, made once, and the work itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.api import BulkApi, HttpBulkApi, NoReply, Reply
from engine.outlets import ProgressDisplay
from engine.pacing import Pacer, RetryPolicy
from engine.pipeline import Accounts, Traffic, run_pipeline
from engine.run.clock import Deadline, WorkClock
from engine.run.contents import Contents
from engine.run.guards import GuardWords, InvalidGuard, rejects_exceeded
from engine.run.job import Job
from engine.run.late_copies import DurableLateCopies, late_copy_s
from engine.run.telemetry import Telemetry
from engine.run.watch import Watch
from engine.settings import RunSettings
from engine.sources import FileFingerprint
from engine.state import Journal, OwnThread, Run
from engine.values import ChunkCounts, ChunkResult, EngineError, Interrupted, SourceMissing, Stop


class FirstRequest:
    """An API that waits for `before` to be done once, before the first request."""

    def __init__(self, api: BulkApi, before: Callable[[], Awaitable[None]]) -> None:
        self._api = api
        self._before = before
        self._is_done = False
        self._doing = asyncio.Lock()

    async def update(self, elements: bytes) -> Reply | NoReply:
        """Send records; see `engine.api.BulkApi`."""
        if not self._is_done:
            async with self._doing:
                if not self._is_done:
                    await self._before()
                    self._is_done = True
        return await self._api.update(elements)

    def renew_token(self, refused: Reply) -> bool:
        """Read the token again; see `engine.api.BulkApi`."""
        return self._api.renew_token(refused)


class ActiveRun:
    """What a run consists of while it is under way.

    `durable` are the sums that earlier processes of the run have left, `learned` the limits that were found last night.
    """

    def __init__(
        self,
        job: Job,
        run: Run,
        settings: RunSettings,
        *,
        found: Mapping[str, FileFingerprint],
        durable: ChunkCounts,
        learned: Mapping[str, Any] | None,
        thread: OwnThread[Journal],
        api: HttpBulkApi,
        stop: Stop,
    ) -> None:
        self.job, self.run, self.settings = job, run, settings
        self.thread, self.api, self.stop = thread, api, stop
        before = run.fingerprint if run.fingerprint and run.done else {}
        self.contents = Contents(job.source.sizes(), before, found)
        self.accounts, self.clock = Accounts(durable), WorkClock(run.worked_s)
        self.words = GuardWords(job.kind)
        self.invalid = InvalidGuard(settings.guard.max_invalid, self.words)
        upload = settings.upload
        self.late_copies = DurableLateCopies(run, late_copy_s(settings), self.clock.now)
        self.deadline = Deadline(upload.deadline, self.clock.now)
        rate, concurrency = upload.requests_per_second, upload.concurrency
        self.traffic = Traffic(
            limiter=Pacer(requests_per_second=rate, concurrency=concurrency, learned=learned),
            policy=RetryPolicy(retry_window_s=upload.retry_window_s),
            stop=stop,
            time_left_s=self.deadline.left_s,
            requests=run.requests,
            late_copies=self.late_copies.of_pipeline,
        )
        self.telemetry = Telemetry(
            run.telemetry, traffic=self.traffic, clock=self.clock, bytes_sent=lambda: api.bytes_sent
        )
        self.telemetry.begin(durable.updated)

    async def work(self, display: ProgressDisplay) -> EngineError | None:
        """Bring the source to the API; return why that stopped before its end, if it did."""
        watch = Watch(
            accounts=self.accounts,
            traffic=self.traffic,
            telemetry=self.telemetry,
            clock=self.clock,
            deadline=self.deadline,
            total_bytes=self.job.source.size(),
            display=display,
            stop=self.stop,
        )
        try:
            async with watch.kept(), self.api:
                await self._deliver()
        except Interrupted as error:
            if not self.accounts.finished:
                return error  # else it was asked to stop when there was nothing left to do
        except EngineError as error:
            return error
        return None if self.job.of_rejects else self._judge_whole()

    def _judge_whole(self) -> EngineError | None:
        """Return what is wrong with a source whose every record was tried."""
        if self.accounts.read == 0:
            label = self.job.source.label
            return SourceMissing("no record was given" if self.job.kind == "push" else f"{label} holds no record")
        return self.invalid.exceeded()

    async def _deliver(self) -> None:
        upload = self.settings.upload
        await run_pipeline(
            self.contents.reading(self.job.chunks()),
            done=self.run.done,
            without_failures=self.run.without_failures,
            accounts=self.accounts,
            api=FirstRequest(self.api, self._note_sending),
            traffic=self.traffic,
            concurrency=upload.concurrency,
            record=self._record,
            judge=self._judge,
            stop=self.stop,
            drain_timeout_s=upload.drain_timeout_s,
            inspect=iter if self.job.of_rejects else self.invalid.inspected,
        )

    async def _note_sending(self) -> None:
        """Make durable that requests leave, and of which source, before the first one does."""
        await self.note_contents()
        if not self.run.sending:
            await self.thread.call(self.thread.value.note_sending, self.run)

    async def _record(self, results: Sequence[ChunkResult]) -> None:
        """Make results durable, but none before it is durable what is known of their source and of late copies."""
        journal, call = self.thread.value, self.thread.call
        await self.note_contents()
        await self.note_late_copies()
        await call(journal.record, self.run, results, self.clock.worked_s, replace(self.traffic.requests))

    async def note_contents(self) -> None:
        """Make durable what is known of the source by now."""
        known = self.contents.fingerprint()
        if self.run.fingerprint != known:
            await self.thread.call(self.thread.value.set_fingerprint, self.run, known)

    async def note_late_copies(self) -> None:
        """Make durable what may still land."""
        unknown = self.late_copies.not_durable()
        if unknown:
            await self.thread.call(self.thread.value.note_late_copies, self.run, unknown)

    def _judge(self) -> None:
        """Stop the run if a guard trips."""
        if self.job.of_rejects:
            return
        tripped = rejects_exceeded(self.accounts.durable, self.settings.guard, self._expected_records(), self.words)
        if tripped is not None:
            self.stop.request(tripped)

    def _expected_records(self) -> int | None:
        """How many records the source holds, judged by the share of its bytes read so far."""
        total, read_bytes = self.job.source.size(), self.accounts.source_bytes
        return round(self.accounts.read * max(1.0, total / read_bytes)) if total and read_bytes else None
