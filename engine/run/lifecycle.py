"""How a run begins, goes on and ends: what `sync`, `replay` and `push` have in common.

The run is begun or resumed in the journal (here), worked on (`active_run.py`), watched (`watch.py`) and written down
(`ending.py`). The pipeline itself knows nothing of settings, journals or displays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from engine.api import HttpBulkApi
from engine.outlets import NoProgress, ProgressDisplay, bind_to_logs, get_logger, serving
from engine.report import Report, iso, new_run_id
from engine.run.abandonable import abandonable
from engine.run.active_run import ActiveRun
from engine.run.announce import announce_start, metric_values, write_metrics
from engine.run.continuing import Claim, run_to_continue, waiting_for
from engine.run.counting import counting
from engine.run.derived import write_missing_reports
from engine.run.ending import conclude
from engine.run.guards import check_age, check_size
from engine.run.job import HASHED_FIRST_BYTES, Job, endpoint_of
from engine.run.late_copies import ALIVE_EVERY_S, late_copy_s, wait_for_others_s
from engine.run.not_before import respect
from engine.run.routed_ledgers import open_ledgers
from engine.settings import NotifyTable, RunSettings
from engine.sources import FileFingerprint, Source, fingerprint
from engine.state import Journal, OwnThread, Run, SqliteJournal
from engine.values import EngineError, Interrupted, Stop

UPKEEP_S = 10.0
"""How often metrics and telemetry of a run under way are written down."""

RUNS_MENDED = 20
"""The reports of so many of the latest runs are looked for, and made if they are missing."""


async def carry_out(
    plan: Callable[[Journal], Job],
    settings: RunSettings,
    *,
    stop: Stop,
    display: ProgressDisplay | None = None,
    read_token: Callable[[], str] | None = None,
    first: Callable[[OwnThread[Journal]], Awaitable[None]] | None = None,
) -> Report:
    """Run the job that `plan` makes to its end, or as far as it gets; return the report, written into the state, too.

    `first` is done before `plan`, once nobody else can use the state directory.

    Raises:
        EngineError: the run could not even begin; nothing was sent.
    """
    await _prove_addresses(settings.notify)
    api = HttpBulkApi(endpoint_of(settings, read_token))  # reads the token: without one there is no reason to go on
    limits_name = f"limits of {settings.api.url}"

    def opened() -> Journal:
        return SqliteJournal(settings.state.dir, reject_data=settings.state.reject_data)

    async with OwnThread[Journal](opened, lambda journal: journal.close()) as thread:
        journal, call = thread.value, thread.call
        if first is not None:
            await first(thread)
        job = await call(plan, journal)
        display = display or NoProgress()
        found = await _look_at(job.source, stop)
        await call(_mend_reports, journal)
        claim = Claim(job.kind, job.identity, found, job.fresh, job.holds_all, job.taken_at)
        waiting = await call(waiting_for, journal, job.kind)
        left = run_to_continue(claim, waiting, resume_within_s=settings.state.resume_within, now=time.time())
        waited_s = await respect(settings, thread, stop, display)
        run = await _resume(left, thread) if left else await _begin(job, settings, thread, stop, display)
        await call(_mend_reports, journal)
        bind_to_logs(run_id=run.id)
        ledger = await call(open_ledgers, job, settings, run, thread)
        active = ActiveRun(
            job,
            run,
            settings,
            found=found,
            durable=await call(journal.counts, run),
            durable_of_campaigns=await call(journal.campaign_counts, run) if run.campaigns else None,
            learned=await call(journal.learned, limits_name),
            thread=thread,
            api=api,
            stop=stop,
            ledger=ledger,
            waited_s=waited_s,
        )
        await announce_start(settings.notify)
        async with _observed(active):
            error = await active.work(display)
        report = await conclude(active, error, limits_name)
        if job.discard is not None and await call(journal.unfinished_run, job.kind) is None:
            await call(job.discard)
        return report


async def _prove_addresses(table: NotifyTable) -> None:
    if table.urls:
        from engine.run.alerting import prove_addresses  # here: most runs tell nobody

        await prove_addresses(table)


async def _look_at(source: Source, stop: Stop) -> dict[str, FileFingerprint]:
    """Return what can be known of the files before they are read: their sizes, and digests if they are small."""
    digests: dict[str, str] = {}
    if (source.size() or HASHED_FIRST_BYTES) < HASHED_FIRST_BYTES:
        with suppress(EngineError):  # whatever it is, the run meets it again, and says so
            digests = await abandonable(source.digests, stop)
    return fingerprint(source.sizes(), digests)


async def _resume(run: Run, thread: OwnThread[Journal]) -> Run:
    await thread.call(thread.value.resume, run)
    get_logger().info("run_resumed", run_id=run.id, chunks_done=len(run.done))
    return run


def _mend_reports(journal: Journal) -> None:
    """See to it that every finished run has its report: who should have written it may have been killed."""
    finished = [run for run in journal.latest_runs(RUNS_MENDED) if run.finished]
    write_missing_reports(journal, finished)


async def _begin(
    job: Job, settings: RunSettings, thread: OwnThread[Journal], stop: Stop, display: ProgressDisplay
) -> Run:
    if not job.of_rejects:
        check_age(job.source, settings)
    if not job.of_rejects and (settings.guard.min_records or settings.guard.max_shrink):
        async with counting(job.source, stop, display) as source:
            await abandonable(lambda: check_size(source, settings, job.kind, job.limit), stop)
    await _let_others_land(settings, thread, stop, display)
    now = datetime.now(UTC)
    run_id = new_run_id(now, Random())  # noqa: S311 - an id is no secret
    run = Run(run_id, job.kind, settings.api.campaign_id, iso(now), job.identity)
    await thread.call(thread.value.begin, run)
    get_logger().info("run_begun", run_id=run.id, source=job.source.label)
    return run


async def _let_others_land(
    settings: RunSettings, thread: OwnThread[Journal], stop: Stop, display: ProgressDisplay
) -> None:
    """Wait until nothing of other runs can land any more: it might be an older value than what this run sends.

    Raises:
        EngineError: the reason to stop meanwhile.
    """
    left = await thread.call(thread.value.left_by_others, settings.api.campaign_id)
    wait_s = wait_for_others_s(left, late_copy_s(settings))
    if wait_s <= 0:
        return
    until = datetime.now().astimezone() + timedelta(seconds=wait_s)
    text = f"requests of an earlier run may still be applied until {until:%H:%M:%S} (upload.late_copy_s); waiting"
    display.message(text)
    get_logger().info("waiting_for_late_copies", message=text, wait_s=round(wait_s, 1))
    await stop.pause(wait_s)
    if stop.requested:
        raise stop.error or Interrupted("stopped")


@asynccontextmanager
async def _observed(active: ActiveRun) -> AsyncIterator[None]:
    """Let the world see the run while it is under way; nothing of that is left in the writing when it ends."""
    over = asyncio.Event()
    upkeep = asyncio.create_task(_keep_up(active, over))
    alive = asyncio.create_task(_stay_alive(active))
    try:
        async with serving(active.settings.notify.prometheus_port, lambda: metric_values(active)):
            yield
    finally:
        over.set()
        await upkeep
        alive.cancel()
        await asyncio.gather(alive, return_exceptions=True)


async def _stay_alive(active: ActiveRun) -> None:
    while True:
        active.thread.value.still_alive()
        await asyncio.sleep(ALIVE_EVERY_S)


async def _keep_up(active: ActiveRun, over: asyncio.Event) -> None:
    """Keep what the world sees of the run, and what a killed process leaves of it, no older than a few seconds."""
    try:
        while True:
            await asyncio.to_thread(write_metrics, active.settings.notify, metric_values(active))
            await _save(active)  # at once, too: that this process has begun is known, whatever becomes of it
            if over.is_set():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), UPKEEP_S)
    except EngineError as error:  # a journal that fails must not fail in silence
        active.stop.request(error)


async def _save(active: ActiveRun) -> None:
    await active.thread.call(
        active.thread.value.save,
        active.run,
        worked_s=active.clock.worked_s,
        requests=replace(active.traffic.requests),
        telemetry=active.telemetry.to_json(),
        campaigns=active.campaigns.changed(),
    )
