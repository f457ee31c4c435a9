"""How a run ends: its report is derived from the journal and checked, and written down for those who want to know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.outlets import get_logger
from engine.report import (
    REPORT_REASON_CHARACTERS,
    Ambiguous,
    CampaignReport,
    DeltaFacts,
    EngineFacts,
    Gone,
    Input,
    Report,
    RunStatus,
    Unread,
    counted,
    iso,
    latest_report,
    status_of,
    with_short_reasons,
    write_report,
)
from engine.run.active_run import ActiveRun
from engine.run.announce import announce_end, metric_values, write_metrics
from engine.run.campaigns_of_run import check_sums
from engine.run.job import Job
from engine.run.night_list import renew_index
from engine.run.not_before import NotBefore, name_of
from engine.run.publishing import publish
from engine.settings import in_terms_of_a_call
from engine.sources import accelerator
from engine.state import RUNS, Run, write_rejected_csv
from engine.values import VERSION, AccountsDoNotBalance, ChunkCounts, EngineError, ExitCode, Interrupted, RecordCounts

DIFFERING_JUDGED_FROM = 100
"""Among fewer records, it says nothing that more than half of them differ."""


async def conclude(active: ActiveRun, error: EngineError | None, limits_name: str) -> Report:
    """Write down how it ended, for `error` if it stopped before its end; what was learned is kept as `limits_name`.

    Raises:
        AccountsDoNotBalance: the sums are wrong: a bug.
        StateFailed: the journal or the report cannot be written.
    """
    journal, call, run = active.thread.value, active.thread.call, active.run
    await active.note_contents()
    await active.note_late_copies()
    await active.ledger.merge()
    report = await _report(active, error)
    # Who says that it was interrupted can be resumed, even if nothing is left to do.
    came_to_its_end = active.accounts.finished and report.status is not RunStatus.INTERRUPTED
    came_to_its_end = came_to_its_end and (active.gone is None or active.gone.is_settled)
    await call(
        journal.save,
        run,
        ended=True,
        exit_code=report.exit_code,
        message=report.message,
        finished=came_to_its_end or report.left_nothing_to_resume,
        worked_s=report.duration_s,
        requests=report.requests,
        telemetry=active.telemetry.to_json(),
        tried=active.campaigns.are_tried,
        campaigns=active.campaigns.changed(),
    )
    await call(journal.learn, limits_name, active.traffic.limiter.to_json())
    await _learn_source(active, report)
    if isinstance(error, Interrupted) and error.silence_s is not None:
        not_before = NotBefore.asked_now(error.silence_s)
        await call(journal.learn, name_of(active.settings), not_before.to_json())
    runs = active.settings.state.dir / RUNS
    before: list[Report] = []
    if active.settings.notify.urls:
        from engine.run.alerting import earlier_ends  # here: most runs tell nobody

        before = await call(earlier_ends, runs, run.kind, run.id)
    previous = latest_report(runs, lambda earlier: _is_comparable(earlier, report))
    run_dir = journal.run_dir(run.id)
    if active.gone is not None and active.gone.is_judged:
        await call(active.gone.write, run_dir)
    report = replace(report, rejects_hold_data=await call(write_rejected_csv, run_dir, run.rejected_bytes))
    await call(write_report, report, run_dir, previous=previous)
    await asyncio.to_thread(write_metrics, active.settings.notify, metric_values(active, report))
    await announce_end(active.settings, report, run_dir, earlier=before)
    await _forget_old_runs(active)
    await call(renew_index, journal, active.settings.state.dir)
    await publish(active.settings, run_dir)
    return report


async def _forget_old_runs(active: ActiveRun) -> None:
    """Delete what is older than `state.keep_days`; a run does not fail because an older one cannot be deleted."""
    before = datetime.now(UTC) - timedelta(days=active.settings.state.keep_days)
    try:
        problems = await active.thread.call(active.thread.value.forget_old_runs, iso(before))
    except EngineError as error:
        problems = [str(error)]
    for problem in problems:
        get_logger().warning("old_run_not_deleted", message=problem)


async def _report(active: ActiveRun, error: EngineError | None) -> Report:
    """Derive the report from the journal; what was read beyond it is pending."""
    run, job, telemetry = active.run, active.job, active.telemetry
    counts = await _checked_counts(active, error)
    gone = _gone(active)
    is_partial = counts.not_accepted or gone.rejected or gone.unknown
    delivered = ExitCode.SOME_NOT_ACCEPTED if is_partial else ExitCode.OK
    exit_code = error.exit_code if error else delivered
    campaigns: list[CampaignReport] = []
    if active.campaigns.is_routed:
        campaigns = await active.thread.call(active.campaigns.reports, active.thread.value, exit_code)
        exit_code = ExitCode(max(exit_code, *(each.exit_code for each in campaigns), 0))
        nowhere = await active.thread.call(_counts_of_no_campaign, active)
        check_sums(campaigns, counts, nowhere, active.traffic.requests.sent)
    last, unread = await _run_of_same_source(active), _unread(active, counts)
    return Report(
        run_id=run.id,
        status=status_of(exit_code),
        exit_code=int(exit_code),
        campaign_id=run.campaign_id,
        started_at=run.started_at,
        finished_at=iso(datetime.now(UTC)),
        duration_s=round(active.clock.worked_s, 3),
        resumes=run.resumes,
        records=counts,
        gone=gone,
        delta=await active.thread.call(_delta, active),
        requests=replace(active.traffic.requests),
        ambiguous=_ambiguous(active),
        reasons=with_short_reasons(
            await active.thread.call(active.thread.value.reasons, run), REPORT_REASON_CHARACTERS
        ),
        campaigns=campaigns,
        kind=run.kind,
        limit=job.limit,
        deadline_at=iso(active.deadline.moment) if active.deadline.moment else None,
        message=_message(error, job),
        ids=_ids(active),
        doubts=[*active.accounts.notes, *_id_doubts(active), *_repetition(last), *_delta_doubts(active)],
        source=job.source.label,
        inputs=_inputs(active, counts, unread),
        unread=unread,
        same_source_as=last["run_id"] if last else "",
        engine=EngineFacts(version=VERSION, accelerated=accelerator is not None),
        config_path=job.config_path,
        latency_ms=telemetry.latencies.latency(),
        latencies=telemetry.latencies,
        throttled_s=round(telemetry.throttled_s, 3),
        bytes_sent=telemetry.bytes_sent,
        pacing=telemetry.pacing,
        timeline=telemetry.timeline.samples,
        processes=telemetry.processes,
        holdups=telemetry.holdups.holdups,
    )


def _counts_of_no_campaign(active: ActiveRun) -> ChunkCounts:
    """Return what became of rows that are for no known campaign. Called in the journal's thread."""
    return active.thread.value.campaign_counts(active.run).get(0, ChunkCounts())


def _message(error: EngineError | None, job: Job) -> str:
    """Return why the run stopped, in the terms of whoever began it."""
    message = str(error) if error else ""
    return in_terms_of_a_call(message, job.token_argument) if job.kind == "push" else message


def _is_comparable(earlier: Report, report: Report) -> bool:
    """Whether an earlier run is one to compare with: of as many records, since the first ones are not a whole night."""
    return earlier.kind == "sync" and earlier.run_id < report.run_id and earlier.limit == report.limit


def _inputs(active: ActiveRun, counts: RecordCounts, unread: Unread) -> list[Input]:
    """Return the files of the run, as far as they are known by now."""
    source, known = active.job.source, active.contents.fingerprint()
    rows = counts.read + counts.filtered if unread.rows == 0 and len(source.paths) == 1 else None
    found = [(path, known.get(path)) for path in source.paths]
    return [
        Input(path=path, bytes=file and file.size, rows=rows, fingerprint=file and file.digest) for path, file in found
    ]


def _unread(active: ActiveRun, counts: RecordCounts) -> Unread:
    """Return what of the source was not read."""
    accounts, limit = active.accounts, active.job.limit
    # What belongs to no campaign has counted for the limit, too; its rows may be among those that are `filtered`.
    taken = counts.read + (counts.filtered if active.campaigns.is_routed else 0)
    is_cut = limit is not None and taken >= limit
    unread_bytes = accounts.unread_bytes(active.job.source.size(), whole=not is_cut)
    return Unread(rows=0 if unread_bytes == 0 else None, bytes=unread_bytes)


def _gone(active: ActiveRun) -> Gone:
    """Return what became of ids that are gone, or why nobody has looked."""
    if active.job.delta is None or active.gone is None:
        limited = active.job.limit is not None and active.job.delta is not None
        return Gone(skipped="only the first records were read (--limit)" if limited else None)
    if not active.gone.is_judged and not active.gone.counts.found:
        return Gone(skipped="the run is not complete")
    return active.gone.counts


def _delta(active: ActiveRun) -> DeltaFacts:
    """Return what is told of the ledger. Called in the journal's thread."""
    facts, journal = active.ledger.facts(), active.thread.value
    if active.job.delta is None:
        return facts
    return replace(facts, last_full_at=journal.started_at(active.ledger.oldest_run))


def _ambiguous(active: ActiveRun) -> Ambiguous:
    held_back = active.traffic.late_copies.held_back
    return Ambiguous(attempts=active.traffic.requests.in_doubt, ids_unresolved=held_back.ids if held_back else 0)


async def _run_of_same_source(active: ActiveRun) -> Mapping[str, str] | None:
    """Return what is known of the last complete run of this campaign if it has read the very same source."""
    last: Mapping[str, str] | None = await active.thread.call(active.thread.value.learned, _source_name(active.run))
    identity = active.contents.identity()
    if identity is None or not last or last["identity"] != identity or last["run_id"] == active.run.id:
        return None
    return last


def _ids(active: ActiveRun) -> int | None:
    """Return how many different ids there are, if all was read."""
    guard = active.superseded
    return guard.records - guard.repeated if guard.has_ended else None


def _id_doubts(active: ActiveRun) -> list[str]:
    """Say it if many ids come again."""
    return list(filter(None, [active.superseded.doubt()]))


def _repetition(last: Mapping[str, str] | None) -> list[str]:
    """Say it if the source is that of an earlier run."""
    if last is None:
        return []
    when = last["started_at"][:10]
    return [f"the source is byte for byte that of run {last['run_id']} of {when}: is it an old export again?"]


def _delta_doubts(active: ActiveRun) -> list[str]:
    """Say what the comparison with the ledger makes doubtful about the source."""
    differing, read = active.ledger.differing, active.accounts.read
    doubts = []
    if read >= DIFFERING_JUDGED_FROM and differing > read / 2:
        doubts.append(
            f"{differing:,} of {counted(read, 'record')} differ from what was acknowledged: if a column changes every "
            "night, such as the time of the export, put it into source.exclude"
        )
    return [*doubts, *filter(None, [active.gone.doubt if active.gone is not None else None])]


async def _learn_source(active: ActiveRun, report: Report) -> None:
    """Keep what the source held, if all of it was read and tried."""
    run, identity = active.run, active.contents.identity()
    if identity is not None and report.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL) and not active.job.of_rejects:
        source = {"identity": identity, "run_id": run.id, "started_at": run.started_at}
        await active.thread.call(active.thread.value.learn, _source_name(run), source)


def _source_name(run: Run) -> str:
    return f"source of {run.campaign_id}"


async def _checked_counts(active: ActiveRun, error: EngineError | None) -> RecordCounts:
    if await active.thread.call(active.thread.value.counts, active.run) != active.accounts.durable:
        raise AccountsDoNotBalance("the journal's sums are not those of the run; this is a bug")
    counts = active.accounts.counts
    counts.check()
    if error is None and not active.accounts.finished:
        raise AccountsDoNotBalance("the run came to its end with records pending; this is a bug")
    return counts
