"""One run, from opening the journal to the report: what `sync` and `replay` have in common.

Begins a run or resumes the unfinished one, feeds the pipeline, and turns whatever ends it into a report. The pipeline
itself knows nothing of settings, journals or displays; here they meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from engine import logs
from engine.bulk_api import Endpoint, HttpBulkApi
from engine.chunker import Chunker
from engine.config import Settings
from engine.deadline import Deadline
from engine.errors import EngineError, ExitCode, SourceMissing, SourceUntrusted
from engine.guards import check_size, rejects_exceeded
from engine.journal import Journal, Run, chunk_digest
from engine.journal_thread import OwnThread
from engine.pacing import Pacer
from engine.pipeline import run_pipeline
from engine.producer import cut, skip_done
from engine.progress import NoProgress, ProgressDisplay, ProgressSnapshot
from engine.records import Chunk, ChunkResult, Outcome
from engine.report import Report, from_json, iso, new_run_id, status_of, write
from engine.retry import Breaker, RetryBudget, RetryPolicy
from engine.sources import Source
from engine.sources.fingerprint import differences, fingerprint
from engine.stopping import Stop
from engine.telemetry import SAMPLE_S, Telemetry, snapshot
from engine.turnstile import Turnstile
from engine.uploader import Traffic

TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: `identity` holds every setting that decides what is sent, by its dotted name."""

    kind: str
    source: Source
    identity: Mapping[str, Any]
    fresh: bool = False
    limit: int | None = None
    may_be_empty: bool = False
    config_path: str = ""


async def carry_out(
    plan: Callable[[Journal], Job], settings: Settings, *, stop: Stop, display: ProgressDisplay | None = None
) -> Report:
    """Run the job that `plan` makes to its end, or as far as it gets; return the report, written into the state, too.

    Raises:
        EngineError: the run could not even begin; nothing was sent.
    """
    endpoint = endpoint_of(settings)
    api = HttpBulkApi(endpoint)  # reads the token: without one there is no reason to go on
    async with OwnThread(lambda: Journal(settings.state.dir), Journal.close) as thread:
        started_at = asyncio.get_running_loop().time()
        job = await thread.call(plan, thread.value)
        run, fingerprinting = await _begin_or_resume(job, settings, thread)
        active = ActiveRun(job, settings, thread, run, fingerprinting, stop, started_at, endpoint)
        logs.bind(run_id=run.id)
        try:
            return await active.work(api, display or NoProgress())
        finally:
            fingerprinting.cancel()


def endpoint_of(settings: Settings) -> Endpoint:
    """Return where the records go, as plain values."""
    table = settings.api
    return Endpoint(
        url=table.url,
        campaign_id=table.campaign_id,
        read_token=table.read_token,
        org_id=table.org_id,
        timeout_s=table.timeout_s,
        ca_file=str(table.ca_file) if table.ca_file else None,
        proxy=table.proxy,
        connections=settings.upload.concurrency,
    )


async def _begin_or_resume(
    job: Job, settings: Settings, thread: OwnThread[Journal]
) -> tuple[Run, asyncio.Task[dict[str, Any]]]:
    """Return the run, and the task that finds out what the source's content is."""
    journal = thread.value
    fingerprinting = asyncio.create_task(asyncio.to_thread(fingerprint, job.source.paths))
    unfinished = None if job.fresh else await thread.call(journal.unfinished_run, job.kind)
    try:
        if unfinished is not None:
            _refuse_other_settings(unfinished, job)
            _refuse_other_source(unfinished, await fingerprinting)
            await thread.call(journal.resume, unfinished)
            logs.get_logger().info("run_resumed", run_id=unfinished.id, chunks_done=len(unfinished.done))
            return unfinished, fingerprinting
        if settings.guard.min_records or settings.guard.max_shrink:
            await asyncio.to_thread(check_size, job.source, settings.guard, settings.state.dir, job.limit)
        now = datetime.now(UTC)
        run = Run(new_run_id(now, Random()), job.kind, settings.api.campaign_id, iso(now), job.identity)  # noqa: S311 - no secret
        await thread.call(journal.begin, run)
    except BaseException:
        fingerprinting.cancel()
        raise
    logs.get_logger().info("run_begun", run_id=run.id, source=job.source.label)
    return run, fingerprinting


def _refuse_other_settings(run: Run, job: Job) -> None:
    changed = sorted(key for key in {*run.identity, *job.identity} if run.identity.get(key) != job.identity.get(key))
    if changed:
        raise SourceUntrusted(
            f"run {run.id} was interrupted with other settings ({', '.join(changed)}); restore them to resume it, "
            "or start over with --fresh"
        )


def _refuse_other_source(run: Run, now: Mapping[str, Any]) -> None:
    if run.fingerprint is None:
        return  # killed before anything counted: whatever is there now is read from its beginning
    changed = differences(run.fingerprint, now)
    if changed:
        raise SourceUntrusted(
            f"the source has changed since run {run.id} was interrupted: {'; '.join(changed)}; restore it to resume, "
            "or start over with --fresh"
        )


class ActiveRun:
    """A run in this process: what it has counted, and how it ends."""

    def __init__(
        self,
        job: Job,
        settings: Settings,
        thread: OwnThread[Journal],
        run: Run,
        fingerprinting: asyncio.Task[dict[str, Any]],
        stop: Stop,
        started_at: float,
        endpoint: Endpoint,
    ) -> None:
        self._job = job
        self._settings = settings
        self._thread = thread
        self._journal = thread.value
        self._run = run
        self._fingerprinting = fingerprinting
        self._stop = stop
        self._started_at = started_at
        self._endpoint = endpoint
        self._telemetry = Telemetry(earlier=dict(run.telemetry))
        self._deadline = Deadline(settings.upload.deadline, asyncio.get_running_loop().time)
        self._read = 0  # records of the chunks cut so far, done before or not
        self._skipped = 0  # of these, records whose result was durable when this process began
        self._source_bytes = 0
        self._ended = False
        self._traffic = self._new_traffic()

    async def work(self, api: HttpBulkApi, display: ProgressDisplay) -> Report:
        """Run the pipeline and write the report."""
        self._counts = await self._thread.call(self._journal.counts, self._run)
        self._counts_before = replace(self._counts)
        self._telemetry.start_from(self._counts.updated)
        ticker = asyncio.create_task(self._tick(display))
        error: EngineError | None = None
        try:
            async with api:
                await self._deliver(api)
            self._ended = True
            if self._read == 0 and not self._job.may_be_empty:
                raise SourceMissing(f"{self._job.source.label} holds no record")
        except EngineError as failure:
            error = failure
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
        self._telemetry.bytes_sent += api.bytes_sent
        return await self._conclude(error)

    def _new_traffic(self) -> Traffic:
        upload = self._settings.upload
        breaker = Breaker()
        pacer = Pacer(rate_max=upload.requests_per_second, in_flight_max=upload.concurrency)
        now = asyncio.get_running_loop().time()
        return Traffic(
            pacer=pacer,
            turnstile=Turnstile(pacer, breaker, self._stop),
            breaker=breaker,
            budget=RetryBudget(now),
            dice=Random(),  # noqa: S311 - jitter is no secret
            policy=RetryPolicy(window_s=upload.retry_window_s),
            time_left_s=self._deadline.left_s,
            observe=self._telemetry.observe,
            requests=replace(self._run.requests),
        )

    async def _deliver(self, api: HttpBulkApi) -> None:
        upload = self._settings.upload
        envelope = sum(map(len, self._endpoint.envelope()))
        chunker = Chunker(records_max=upload.batch_size, lines_bytes_max=max(upload.max_body_bytes - envelope, 1))
        chunks = cut(self._job.source.blocks(), chunker, limit=self._job.limit)
        await run_pipeline(
            skip_done(self._counted(chunks), self._run.done, _digest, self._skip),
            api=api,
            traffic=self._traffic,
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

    def _skip(self, chunk: Chunk) -> None:
        self._skipped += chunk.read

    async def _record(self, results: Sequence[ChunkResult]) -> None:
        """Make results durable, but none before it is durable what source they came from."""
        if self._run.fingerprint is None:
            found = await self._fingerprinting
            await self._thread.call(self._journal.set_fingerprint, self._run, found)
        await self._thread.call(
            self._journal.record, self._run, results, self._worked_s(), replace(self._traffic.requests)
        )

    def _count(self, results: Sequence[ChunkResult]) -> None:
        """Take durable results into the sums; stop the run if a guard trips."""
        counts = self._counts
        for result in results:
            failed = len(result.failures)
            unknown = sum(failure.outcome is Outcome.UNKNOWN for failure in result.failures)
            counts.read += result.chunk.read
            counts.invalid += len(result.chunk.refusals)
            counts.superseded += result.chunk.superseded
            counts.updated += result.updated
            counts.unknown += unknown
            counts.rejected += failed - unknown
        tripped = rejects_exceeded(counts, self._settings.guard.max_rejected, self._expected_records())
        if tripped is not None:
            self._stop.request(tripped)

    def _expected_records(self) -> int | None:
        """How many records the source holds, judged by the share of its bytes read so far."""
        total = self._job.source.total_bytes
        if self._ended or not total or not self._source_bytes:
            return None
        return round(self._read * max(1.0, total / self._source_bytes))

    def _worked_s(self) -> float:
        return self._run.worked_s + asyncio.get_running_loop().time() - self._started_at

    async def _tick(self, display: ProgressDisplay) -> None:
        """Show progress and take samples, until cancelled; stop the run at its deadline."""
        loop = asyncio.get_running_loop()
        sample_at = loop.time() + SAMPLE_S
        try:
            while True:
                display.update(self._snapshot())
                if loop.time() >= sample_at:
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
        traffic = self._traffic
        now = asyncio.get_running_loop().time()
        self._telemetry.sample(
            now, self._worked_s(), self._counts.updated, traffic.retries, traffic.turnstile, traffic.pacer
        )

    def _snapshot(self) -> ProgressSnapshot:
        traffic = self._traffic
        now = asyncio.get_running_loop().time()
        return snapshot(
            elapsed_s=now - self._started_at,
            counts=self._counts,
            read=max(self._read, self._counts.read),
            source_bytes_read=self._source_bytes,
            source_bytes_total=self._job.source.total_bytes,
            turnstile=traffic.turnstile,
            throttles=traffic.requests.throttled,
            retries=traffic.retries,
            waiting=self._why_waiting(now),
            limit=traffic.pacer.limit_found,
        )

    def _why_waiting(self, now: float) -> str | None:
        traffic = self._traffic
        quiet_s = traffic.pacer.quiet_until - now
        if quiet_s > 0.5:
            return f"the API asked for silence, {quiet_s:.0f} s left"
        if traffic.breaker.is_open:
            return f"the API is failing for {traffic.breaker.outage_s(now):.0f} s, probing"
        return "finishing what is in flight" if self._stop.requested else None

    async def _conclude(self, error: EngineError | None) -> Report:
        """Write down how it ended, check the sums, write the report."""
        report = await self._report(error)
        finished = self._ended and (error is None or isinstance(error, SourceMissing))
        self._run.worked_s = report.duration_s
        await self._thread.call(
            self._journal.finish,
            self._run,
            finished=finished,
            worked_s=report.duration_s,
            requests=self._traffic.requests,
            telemetry=self._telemetry.to_json(report.pacing),
        )
        await self._thread.call(
            write,
            report,
            self._journal.run_dir(self._run.id),
            previous=previous_report(self._settings.state.dir, report),
        )
        return report

    async def _report(self, error: EngineError | None) -> Report:
        """Derive the report from the journal; what was read beyond it is pending."""
        counts = await self._thread.call(self._journal.counts, self._run)
        counts.pending = max(0, self._read - self._skipped - (counts.read - self._counts_before.read))
        counts.read += counts.pending
        counts.check()
        if error is None and counts.pending:
            raise AssertionError("the pipeline ended with chunks left")
        exit_code = _exit_code(error, counts.invalid + counts.rejected + counts.unknown)
        now = asyncio.get_running_loop().time()
        return Report(
            run_id=self._run.id,
            status=status_of(exit_code),
            exit_code=int(exit_code),
            campaign_id=self._run.campaign_id,
            started_at=self._run.started_at,
            finished_at=iso(datetime.now(UTC)),
            duration_s=round(self._worked_s(), 3),
            resumes=self._run.resumes,
            records=counts,
            requests=replace(self._traffic.requests),
            reasons=await self._thread.call(self._journal.reasons, self._run),
            kind=self._run.kind,
            message=str(error) if error else "",
            source=self._job.source.label,
            config_path=self._job.config_path,
            latency_ms=self._telemetry.latencies.latency(),
            throttled_s=round(self._telemetry.quiet_s + self._traffic.turnstile.quiet_s, 3),
            bytes_sent=self._telemetry.bytes_sent,
            pacing=self._telemetry.pacing(self._traffic.pacer, lambda at: self._worked_s() + at - now),
            timeline=self._telemetry.timeline.samples,
        )


def _exit_code(error: EngineError | None, not_accepted: int) -> ExitCode:
    if error is not None:
        return error.exit_code
    return ExitCode.SOME_NOT_ACCEPTED if not_accepted else ExitCode.OK


def _digest(chunk: Chunk) -> bytes:
    return chunk_digest(chunk.lines, len(chunk.refusals), chunk.superseded)


def previous_report(state_dir: Path, report: Report) -> Report | None:
    """Return the report of the latest earlier run of the same kind, or None."""
    for path in sorted((state_dir / "runs").glob("*/report.json"), reverse=True):
        if path.parent.name < report.run_id:
            with suppress(OSError, ValueError):
                earlier = from_json(path.read_bytes())
                if earlier.kind == report.kind:
                    return earlier
    return None
