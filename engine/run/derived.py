"""Reports that a process did not live to write, or that another run has closed: derived from the journal.

The journal is the truth, and a report only tells it: what is missing is made again, from what was durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from engine.report import (
    REPORT_JSON,
    REPORT_REASON_CHARACTERS,
    Ambiguous,
    Gone,
    Holdup,
    ProcessStart,
    Report,
    Sample,
    iso,
    read_report,
    status_of,
    with_short_reasons,
    write_report,
)
from engine.run.campaigns_of_run import derived_campaigns
from engine.run.telemetry import latencies_in, told_values
from engine.state import Journal, Run, write_rejected_csv
from engine.values import ExitCode, RecordCounts


def derived_report(journal: Journal, run: Run) -> Report:
    """Return the report of a run as the journal tells it; records that it had read and not sent are not known of."""
    counts = RecordCounts.of(journal.counts(run), pending=0)
    delivered = ExitCode.SOME_NOT_ACCEPTED if counts.not_accepted else ExitCode.OK
    unfinished = delivered if run.finished and not run.closed_by else ExitCode.INTERRUPTED
    exit_code = ExitCode(run.exit_code) if run.exit_code is not None else unfinished
    told = journal.telemetry(run)
    latencies = latencies_in(told)
    ended_at = run.alive_at or run.progress_at
    return Report(
        run_id=run.id,
        status=status_of(exit_code),
        exit_code=int(exit_code),
        campaign_id=run.campaign_id,
        started_at=run.started_at,
        finished_at=iso(datetime.fromtimestamp(ended_at, UTC)) if ended_at else run.started_at,
        duration_s=round(run.worked_s, 3),
        resumes=run.resumes,
        records=counts,
        gone=Gone(**run.gone),
        requests=replace(run.requests),
        ambiguous=Ambiguous(attempts=run.requests.in_doubt),
        reasons=with_short_reasons(journal.reasons(run), REPORT_REASON_CHARACTERS),
        campaigns=derived_campaigns(journal, run, exit_code) if not run.campaign_id else [],
        kind=run.kind,
        limit=run.identity.get("--limit"),
        message=run.message or ("the process was killed" if exit_code == ExitCode.INTERRUPTED else ""),
        closed_by=run.closed_by,
        latency_ms=latencies.latency(),
        latencies=latencies,
        throttled_s=told.get("quiet_s", 0.0),
        bytes_sent=told.get("bytes_sent", 0),
        timeline=told_values(told, "timeline", Sample),
        processes=told_values(told, "processes", ProcessStart),
        holdups=told_values(told, "holdups", Holdup),
    )


def write_missing_reports(journal: Journal, runs: Sequence[Run]) -> None:
    """Write the reports of these runs that are not there, and say in those of closed ones which run has closed them.

    Raises:
        StateFailed: one cannot be written.
    """
    for run in runs:
        run_dir = journal.run_dir(run.id)
        if not run_dir.is_dir():
            continue  # somebody has deleted it
        if not (run_dir / REPORT_JSON).exists():
            holds_data = write_rejected_csv(run_dir, run.rejected_bytes)
            write_report(replace(derived_report(journal, run), rejects_hold_data=holds_data), run_dir)
        elif run.closed_by:
            _say_who_closed_it(run.closed_by, run_dir)


def _say_who_closed_it(closed_by: str, run_dir: Path) -> None:
    with suppress(OSError, ValueError):  # a damaged one is left as it is, for `status` to tell of
        report = read_report(run_dir / REPORT_JSON)
        if report is not None and report.closed_by != closed_by:
            write_report(replace(report, closed_by=closed_by), run_dir)
