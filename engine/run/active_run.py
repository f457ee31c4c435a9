"""A run under way in this process: its parts, made once, and the work itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from engine.api import BulkApi, HttpBulkApi, NoReply, Reply
from engine.outlets import ProgressDisplay
from engine.pacing import Pacer, RetryPolicy
from engine.pipeline import Accounts, Traffic, run_pipeline
from engine.reading import count_repeated
from engine.run.clock import Deadline, WorkClock
from engine.run.contents import Contents
from engine.run.counting import CountedSource
from engine.run.gone import GoneIds
from engine.run.guards import GuardWords, InvalidGuard, rejects_exceeded
from engine.run.job import Job, cutting_of
from engine.run.late_copies import DurableLateCopies, late_copy_s
from engine.run.ledger_of_run import LedgerOfRun, NoLedger
from engine.run.superseded import SupersededGuard
from engine.run.telemetry import Telemetry
from engine.run.watch import Watch
from engine.settings import RunSettings
from engine.sources import FileFingerprint
from engine.state import Journal, OwnThread, Run
from engine.values import (
    CampaignMissing,
    Chunk,
    ChunkCounts,
    ChunkResult,
    EngineError,
    Interrupted,
    SourceMissing,
    Stop,
)


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

    `durable` are the sums that earlier processes of the run have left, `learned` the limits that were found last night;
    `waited_s` is how long this process has waited before, because the API had asked for silence.
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
        ledger: NoLedger | None = None,
        waited_s: float = 0.0,
    ) -> None:
        self.ledger = ledger or NoLedger()
        self.gone = (
            GoneIds(job, settings, run, thread, ledger)
            if isinstance(ledger, LedgerOfRun) and ledger.delta.feed and job.limit is None
            else None
        )
        self.job, self.run, self.settings = job, run, settings
        self.thread, self.api, self.stop = thread, api, stop
        before = run.fingerprint if run.fingerprint and run.done else {}
        self.contents = Contents(job.source.sizes(), before, found)
        self.accounts, self.clock = Accounts(durable), WorkClock(run.worked_s)
        self.words = GuardWords(job.kind, job.config_path)
        self.invalid = InvalidGuard(settings.guard.max_invalid, self.words)
        self.superseded = SupersededGuard(
            settings.guard.max_superseded,
            self.words,
            size=job.source.size(),
            recount=partial(count_repeated, CountedSource(job.source, stop), job.limit) if job.is_rereadable else None,
        )
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
            run.telemetry,
            traffic=self.traffic,
            clock=self.clock,
            bytes_sent=lambda: api.bytes_sent,
            waited_s=waited_s,
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
            records_wanted=self.job.limit,
            display=display,
            stop=self.stop,
        )
        try:
            async with watch.kept(), self.api:
                await self._deliver()
                return await self._conclude_source()
        except Interrupted as error:
            if self.accounts.finished and (self.gone is None or self.gone.is_settled):
                return await self._conclude_source()  # it was asked to stop when there was nothing left to do
            return error
        except CampaignMissing as error:
            await self.ledger.campaign_is_missing()
            self.accounts.durable = await self.thread.call(self.thread.value.counts, self.run)
            return error
        except EngineError as error:
            return error

    async def _conclude_source(self) -> EngineError | None:
        """See what is to be said about the source as a whole, and tell the API who is gone from it."""
        if self.job.of_rejects:
            return None
        presence = self.job.compared.presence if self.job.compared is not None else None
        error = self._judge_whole()
        if error is not None or self.gone is None or presence is None or self.gone.is_judged:
            return error
        error = await self.gone.judge(presence, len(self.job.source.sizes()))
        if error is None and self.gone.must_be_told:
            await self._tell_gone(self.gone)
        return error

    async def _tell_gone(self, gone: GoneIds) -> None:
        upload = self.settings.upload
        cutting = cutting_of(self.settings)
        await run_pipeline(
            gone.chunks(cutting.batch_size, cutting.lines_bytes_max),
            done={},
            accounts=Accounts(ChunkCounts()),
            api=FirstRequest(self.api, self._note_sending),
            traffic=self.traffic,
            concurrency=upload.concurrency,
            record=self._record_gone,
            judge=lambda: None,
            stop=self.stop,
            drain_timeout_s=upload.drain_timeout_s,
        )
        gone.settled()

    async def _record_gone(self, results: Sequence[ChunkResult]) -> None:
        if self.gone is not None:
            await self.note_late_copies()
            await self.gone.record(results)

    def _judge_whole(self) -> EngineError | None:
        """Return what is wrong with a source whose every record was tried."""
        if self.accounts.read == 0:
            label = self.job.source.label
            return SourceMissing("no record was given" if self.job.kind == "push" else f"{label} holds no record")
        return self.invalid.exceeded()

    def _chunks(self) -> Iterator[Chunk]:
        comparing = self.ledger.comparing
        if comparing is None or self.job.compared is None:
            return self.job.chunks()
        return self.job.compared.chunks(comparing)

    def _inspected(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        return self.superseded.inspected(self.invalid.inspected(chunks))

    async def _deliver(self) -> None:
        upload = self.settings.upload
        await run_pipeline(
            self.contents.reading(self._chunks()),
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
            inspect=iter if self.job.of_rejects else self._inspected,
            before=self.ledger.before,
        )

    async def _note_sending(self) -> None:
        """Make durable that requests leave, and of which source, before the first one does."""
        await self.note_contents()
        await self.ledger.before_first()
        if not self.run.sending:
            await self.thread.call(self.thread.value.note_sending, self.run)

    async def _record(self, results: Sequence[ChunkResult]) -> None:
        """Make results durable, but none before it is durable what is known of their source and of late copies."""
        journal, call = self.thread.value, self.thread.call
        await self.note_contents()
        await self.note_late_copies()
        requests, changes = replace(self.traffic.requests), self.ledger.changes(results)
        await call(journal.record, self.run, results, self.clock.worked_s, requests, changes)

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
