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
from engine.run.campaigns_of_run import CampaignsOfRun, accounts_of, refused_campaigns
from engine.run.clock import Deadline, WorkClock
from engine.run.contents import Contents
from engine.run.counting import CountedSource
from engine.run.gone import GoneIds
from engine.run.gone_of_campaigns import GoneOfCampaigns
from engine.run.guards import GuardWords, InvalidGuard, rejects_exceeded
from engine.run.job import Job, cutting_of, routing_of
from engine.run.late_copies import DurableLateCopies, late_copy_s
from engine.run.ledger_of_run import LedgerOfRun, NoLedger
from engine.run.routed_ledgers import RoutedLedgers
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

    async def update(self, elements: bytes, campaign_id: str = "") -> Reply | NoReply:
        """Send records; see `engine.api.BulkApi`."""
        if not self._is_done:
            async with self._doing:
                if not self._is_done:
                    await self._before()
                    self._is_done = True
        return await self._api.update(elements, campaign_id)

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
        durable_of_campaigns: Mapping[int, ChunkCounts] | None = None,
        learned: Mapping[str, Any] | None,
        thread: OwnThread[Journal],
        api: HttpBulkApi,
        stop: Stop,
        ledger: NoLedger | None = None,
        waited_s: float = 0.0,
    ) -> None:
        self.ledger = ledger or NoLedger()
        self.job, self.run, self.settings = job, run, settings
        self.thread, self.api, self.stop = thread, api, stop
        before = run.fingerprint if run.fingerprint and run.done else {}
        self.contents = Contents(job.source.sizes(), before, found)
        self.accounts = Accounts(durable, accounts_of(run, durable_of_campaigns or {}))
        self.clock = WorkClock(run.worked_s)
        self.words = GuardWords(job.kind, job.config_path)
        self.invalid = InvalidGuard(settings.guard.max_invalid, self.words)
        recount = partial(count_repeated, CountedSource(job.source, stop), job.limit, routing_of(settings))
        self.superseded = SupersededGuard(
            settings.guard.max_superseded,
            self.words,
            size=job.source.size(),
            recount=recount if job.is_rereadable else None,
        )
        upload = settings.upload
        self.late_copies = DurableLateCopies(run, late_copy_s(settings), self.clock.now)
        self.deadline = Deadline(upload.deadline, self.clock.now)
        rate = upload.requests_per_second
        self.traffic = Traffic(
            limiter=Pacer(requests_per_second=rate, concurrency=upload.concurrency, learned=learned),
            policy=RetryPolicy(retry_window_s=upload.retry_window_s),
            stop=stop,
            time_left_s=self.deadline.left_s,
            requests=run.requests,
            late_copies=self.late_copies.of_pipeline,
            campaigns=refused_campaigns(self.accounts) if not run.campaign_id else None,
            campaign_requests={row.id: row.requests for row in run.campaigns.values()},
        )
        self.campaigns = CampaignsOfRun(run, self.accounts, self.traffic)
        self.gone = self._gone()
        self.telemetry = Telemetry(
            run.telemetry,
            traffic=self.traffic,
            clock=self.clock,
            bytes_sent=lambda: api.bytes_sent,
            waited_s=waited_s,
        )
        self.telemetry.begin(durable.updated)

    def _gone(self) -> GoneIds | GoneOfCampaigns | None:
        """Return what judges who is gone; None where nobody is."""
        job, ledger, shared = self.job, self.ledger, (self.job, self.settings, self.run, self.thread)
        if job.delta is None or not job.delta.feed or job.limit is not None:
            return None
        if isinstance(ledger, RoutedLedgers):
            gone = GoneOfCampaigns(*shared, ledger, self.accounts.campaigns, self.traffic.campaigns)
            self.campaigns.gone_of = gone.of
            return gone
        return GoneIds(*shared, ledger) if isinstance(ledger, LedgerOfRun) else None

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
                await self._note_missing_campaigns()
                return await self._conclude_source() or self.campaigns.error()
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

    async def _note_missing_campaigns(self) -> None:
        """Take back what was called unchanged in campaigns that the API does not know."""
        accounts, journal, call = self.accounts, self.thread.value, self.thread.call
        missing = [each for each, error in self.traffic.campaigns.errors.items() if isinstance(error, CampaignMissing)]
        for campaign_id in missing:
            await self.ledger.campaign_is_missing((campaign_id, accounts.campaigns[campaign_id].number))
        if missing and self.job.delta is not None:
            accounts.durable = await call(journal.counts, self.run)
            counts = await call(journal.campaign_counts, self.run)
            for campaign_id in missing:
                campaign = accounts.campaigns[campaign_id]
                campaign.durable = counts.get(campaign.number, ChunkCounts())

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

    async def _tell_gone(self, gone: GoneIds | GoneOfCampaigns) -> None:
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
        in_flight = self.settings.upload.concurrency
        if self.run.in_flight < in_flight:
            await self.thread.call(self.thread.value.note_sending, self.run, in_flight)

    async def _record(self, results: Sequence[ChunkResult]) -> None:
        """Make results durable, but none before it is durable what is known of their source and of late copies."""
        journal, call = self.thread.value, self.thread.call
        await self.note_contents()
        await self.note_late_copies()
        requests, changes = replace(self.traffic.requests), self.ledger.changes(results)
        campaigns = self.campaigns.changed()
        await call(journal.record, self.run, results, self.clock.worked_s, requests, changes, campaigns)
        self.campaigns.noted()

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
        if self.campaigns.is_routed:
            self.campaigns.judge(self.settings.guard, self.words, self._share_read())
            return
        tripped = rejects_exceeded(self.accounts.durable, self.settings.guard, self._expected_records(), self.words)
        if tripped is not None:
            self.stop.request(tripped)

    def _expected_records(self) -> int | None:
        """How many records the source holds, judged by the share of its bytes read so far."""
        share = self._share_read()
        return round(self.accounts.read / share) if share else None

    def _share_read(self) -> float | None:
        """Return how much of the source was read, from 0 to 1; None where that is not known."""
        total, read_bytes = self.job.source.size(), self.accounts.source_bytes
        return min(1.0, read_bytes / total) if total and read_bytes else None
