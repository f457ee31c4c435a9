"""A run under way in this process: feeds the pipeline, keeps the sums, shows progress, and tells how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from engine.api import HttpBulkApi
from engine.outlets import ProgressDisplay, ProgressHistory, ProgressSnapshot, get_logger
from engine.pacing import Breaker, Pacer, RetryBudget, RetryPolicy, Turnstile
from engine.pipeline import Traffic, run_pipeline, skip_done
from engine.report import Pacing, Report, iso, status_of
from engine.run.deadline import Deadline
from engine.run.guards import rejects_exceeded
from engine.run.job import Job
from engine.run.telemetry import SAMPLE_S, Telemetry
from engine.settings import Settings
from engine.sources import FileFingerprint
from engine.state import Journal, OwnThread, Run, chunk_digest
from engine.values import (
    AccountsDoNotBalance,
    Chunk,
    ChunkResult,
    EngineError,
    ExitCode,
    Interrupted,
    Outcome,
    RecordCounts,
    SourceMissing,
    Stop,
)

TICK_S = 0.25


class ActiveRun:
    """The run `run` of `job`. `fingerprinting` finds out what the source holds; `learned` are last night's limits."""

    def __init__(
        self,
        job: Job,
        settings: Settings,
        *,
        thread: OwnThread[Journal],
        run: Run,
        counts: RecordCounts,
        fingerprinting: asyncio.Task[dict[str, FileFingerprint]],
        learned: Mapping[str, Any] | None,
        stop: Stop,
    ) -> None:
        self._job = job
        self._upload = settings.upload
        self._max_rejected = settings.guard.max_rejected
        self._thread = thread
        self._journal = thread.value
        self._run = run
        self._fingerprinting = fingerprinting
        self._stop = stop
        self._clock = asyncio.get_running_loop().time
        self._started_at = self._clock()
        self._counts = counts  # of the records with a durable result, kept up to date
        self._done_before = counts.read
        self._read = 0  # records of the chunks cut so far, done before or not
        self._skipped = 0  # of these, records whose result was durable when this process began
        self._source_bytes = 0
        self._source_ended = False
        self._deadline = Deadline(self._upload.deadline, self._clock)
        self._history = ProgressHistory()
        self.telemetry = Telemetry(earlier=dict(run.telemetry))
        self.telemetry.start_from(counts.updated)
        self.traffic = self._new_traffic(learned)
        self._api: HttpBulkApi | None = None

    async def work(self, api: HttpBulkApi, display: ProgressDisplay) -> EngineError | None:
        """Run the pipeline; return why it stopped before its end, if it did."""
        self._api = api
        ticker = asyncio.create_task(self._tick(display))
        try:
            async with api:
                await self._deliver(api)
        except Interrupted as error:
            return None if self.finished else error  # asked to stop when there was nothing left to do
        except EngineError as error:
            return error
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
        if self._read == 0 and not self._job.of_rejects:
            return SourceMissing(f"{self._job.source.label} holds no record")
        return None

    @property
    def finished(self) -> bool:
        """Whether every record of the source has a durable result: the run needs no other process."""
        return self._source_ended and self._pending == 0

    @property
    def _pending(self) -> int:
        """Records that were read, by this process, and have no durable result."""
        settled_here = self._counts.read - self._done_before
        return self._read - self._skipped - settled_here

    @property
    def worked_s(self) -> float:
        """Seconds worked by all processes of the run."""
        return self._run.worked_s + self._clock() - self._started_at

    @property
    def campaign_id(self) -> str:
        """The campaign that is updated."""
        return self._run.campaign_id

    @property
    def counts(self) -> RecordCounts:
        """The sums so far; what was read and has no durable result is pending."""
        return replace(self._counts, read=self._counts.read + self._pending, pending=self._pending)

    @property
    def throttled_s(self) -> float:
        """Seconds that all processes of the run held back because the API said so."""
        return self.telemetry.quiet_s + self.traffic.turnstile.quiet_s

    @property
    def retries(self) -> int:
        """Requests of all processes that repeated an earlier one."""
        return self.telemetry.retries + self.traffic.retries

    @property
    def bytes_sent(self) -> int:
        """Bytes of all request bodies, of all processes."""
        return self.telemetry.bytes_sent + (self._api.bytes_sent if self._api else 0)

    @property
    def pacing(self) -> Pacing:
        """The limits that were found, and how."""
        now, worked_s = self._clock(), self.worked_s
        return self.telemetry.pacing(self.traffic.pacer, lambda at: worked_s + at - now)

    def telemetry_json(self) -> dict[str, Any]:
        """Return what the next process of the run goes on from."""
        return self.telemetry.to_json(
            self.pacing, quiet_s=self.throttled_s, bytes_sent=self.bytes_sent, retries=self.retries
        )

    async def report(self, error: EngineError | None) -> Report:
        """Derive the report from the journal; what was read beyond it is pending.

        Raises:
            AccountsDoNotBalance: the sums are wrong: a bug.
        """
        counts = await self._thread.call(self._journal.counts, self._run)
        if counts != self._counts:
            raise AccountsDoNotBalance("the journal's sums are not those of the run; this is a bug")
        counts.pending = self._pending
        counts.read += counts.pending
        counts.check()
        if error is None and not self.finished:
            raise AccountsDoNotBalance("the run came to its end with records pending; this is a bug")
        exit_code = _exit_code(error, counts.invalid + counts.rejected + counts.unknown)
        return Report(
            run_id=self._run.id,
            status=status_of(exit_code),
            exit_code=int(exit_code),
            campaign_id=self._run.campaign_id,
            started_at=self._run.started_at,
            finished_at=iso(datetime.now(UTC)),
            duration_s=round(self.worked_s, 3),
            resumes=self._run.resumes,
            records=counts,
            requests=replace(self.traffic.requests),
            reasons=await self._thread.call(self._journal.reasons, self._run),
            kind=self._run.kind,
            limit=self._job.limit,
            message=str(error) if error else "",
            source=self._job.source.label,
            config_path=self._job.config_path,
            latency_ms=self.telemetry.latencies.latency(),
            throttled_s=round(self.throttled_s, 3),
            bytes_sent=self.bytes_sent,
            pacing=self.pacing,
            timeline=self.telemetry.timeline.samples,
        )

    def _new_traffic(self, learned: Mapping[str, Any] | None) -> Traffic:
        upload, breaker = self._upload, Breaker()
        pacer = Pacer(rate_max=upload.requests_per_second, in_flight_max=upload.concurrency, learned=learned)
        return Traffic(
            pacer=pacer,
            turnstile=Turnstile(pacer, breaker, self._stop),
            breaker=breaker,
            budget=RetryBudget(self._clock()),
            dice=Random(),  # noqa: S311 - jitter is no secret
            policy=RetryPolicy(window_s=upload.retry_window_s),
            time_left_s=self._deadline.left_s,
            observe=self.telemetry.observe,
            requests=replace(self._run.requests),
        )

    async def _deliver(self, api: HttpBulkApi) -> None:
        upload = self._upload
        await run_pipeline(
            skip_done(self._counted(self._job.chunks()), self._run.done, _digest, self._skip),
            api=api,
            traffic=self.traffic,
            workers=upload.concurrency,
            record=self._record,
            count=self._count,
            stop=self._stop,
            drain_timeout_s=upload.drain_timeout_s,
        )

    def _counted(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Count what is read, in the producer's thread."""
        for chunk in chunks:
            self._read += chunk.read
            self._source_bytes += chunk.source_bytes
            yield chunk
        self._source_ended = True

    def _skip(self, chunk: Chunk) -> None:
        self._skipped += chunk.read

    async def _record(self, results: Sequence[ChunkResult]) -> None:
        """Make results durable, but none before it is durable what source they came from."""
        journal, call = self._journal, self._thread.call
        if self._run.fingerprint is None:
            found = await asyncio.shield(self._fingerprinting)
            await call(journal.set_fingerprint, self._run, found)
        await call(journal.record, self._run, results, self.worked_s, replace(self.traffic.requests))

    def _count(self, results: Sequence[ChunkResult]) -> None:
        """Take durable results into the sums; stop the run if a guard trips."""
        counts = self._counts
        for result in results:
            counts.read += result.chunk.read
            counts.invalid += result.count(Outcome.INVALID)
            counts.superseded += result.chunk.superseded
            counts.updated += result.updated
            counts.unknown += result.count(Outcome.UNKNOWN)
            counts.rejected += result.count(Outcome.REJECTED)
        if self._job.of_rejects:
            return
        tripped = rejects_exceeded(counts, self._max_rejected, self._expected_records())
        if tripped is not None:
            self._stop.request(tripped)

    def _expected_records(self) -> int | None:
        """How many records the source holds, judged by the share of its bytes read so far."""
        total = self._job.source.size()
        if not total or not self._source_bytes:
            return None
        return round(self._read * max(1.0, total / self._source_bytes))

    async def _tick(self, display: ProgressDisplay) -> None:
        """Show progress and take samples, until cancelled; stop the run at its deadline."""
        sample_at = self._clock() + SAMPLE_S
        try:
            while True:
                display.update(self._snapshot())
                if self._clock() >= sample_at:
                    sample_at += SAMPLE_S
                    self._sample()
                if self._deadline.left_s() <= 0:
                    self._stop.request(self._deadline.passed())
                await asyncio.sleep(TICK_S)
        finally:
            self._sample()
            display.update(self._snapshot(), now=True)
            display.close()

    def _sample(self) -> None:
        traffic, now = self.traffic, self._clock()
        self.telemetry.sample(
            now, self.worked_s, self._counts.updated, traffic.retries, traffic.turnstile, traffic.pacer
        )

    def _snapshot(self) -> ProgressSnapshot:
        traffic, counts, now = self.traffic, self._counts, self._clock()
        eta_s = self._history.eta_s
        snapshot = ProgressSnapshot(
            elapsed_s=now - self._started_at,
            records_read=max(self._read, counts.read),
            records_done=counts.read,
            source_bytes_read=self._source_bytes,
            source_bytes_total=self._job.source.size(),
            in_flight=traffic.turnstile.in_flight,
            in_flight_max=traffic.turnstile.in_flight_peak,
            throttles=traffic.requests.throttled,
            retries=traffic.retries,
            not_accepted=counts.invalid + counts.rejected + counts.unknown,
            waiting=self._why_waiting(now),
            limit=traffic.pacer.limit_found,
            deadline_forecast=self._deadline.forecast(eta_s) if eta_s is not None else None,
        )
        self._history.add(snapshot)
        if snapshot.deadline_forecast and self._deadline.warn_once():
            get_logger().warning("deadline_at_risk", message=snapshot.deadline_forecast)
        return snapshot

    def _why_waiting(self, now: float) -> str | None:
        traffic = self.traffic
        quiet_s = traffic.pacer.quiet_until - now
        if quiet_s > TICK_S:
            return f"the API asked for silence, {quiet_s:.0f} s left"
        if traffic.breaker.is_open:
            return f"the API has been failing for {traffic.breaker.outage_s(now):.0f} s, probing"
        return "finishing what is in flight" if self._stop.requested else None


def _exit_code(error: EngineError | None, not_accepted: int) -> ExitCode:
    if error is not None:
        return error.exit_code
    return ExitCode.SOME_NOT_ACCEPTED if not_accepted else ExitCode.OK


def _digest(chunk: Chunk) -> bytes:
    return chunk_digest(chunk.lines, len(chunk.refusals), chunk.superseded)
