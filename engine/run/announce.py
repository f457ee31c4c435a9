"""Who hears about a run: the health check, the operator's command, and the metrics file. None of them can fail it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.outlets import (
    CampaignValues,
    Harmless,
    MetricValues,
    get_logger,
    ping_end,
    ping_no_run,
    ping_start,
    run_command,
    write_metrics_file,
)
from engine.report import REPORT_JSON, Gone, Report
from engine.run.active_run import ActiveRun
from engine.settings import NotifyTable, RunSettings, variables_of


async def announce_start(table: NotifyTable) -> None:
    """Tell the health check that a run starts."""
    if table.healthcheck_url:
        with Harmless("telling the health check"):
            _log(await ping_start(table.healthcheck_url))


async def announce_end(settings: RunSettings, report: Report, run_dir: Path, *, earlier: Sequence[Report] = ()) -> None:
    """Tell the health check, people and the operator's command how a run ended; `earlier` are ends to compare with."""
    table = settings.notify
    if table.healthcheck_url:
        with Harmless("telling the health check"):
            _log(await ping_end(table.healthcheck_url, report))
    if table.urls:
        from engine.run.alerting import alert_end  # here, as below: most runs tell nobody

        with Harmless("telling people"):
            _log(await alert_end(settings, report, earlier))
    if table.command:
        secrets = (settings.api.token_env, *variables_of(table.urls))
        path = run_dir / REPORT_JSON
        with Harmless("the notify command"):
            _log(await asyncio.to_thread(run_command, table.command, report, path, secret_names=secrets))


def metric_values(active: ActiveRun, report: Report | None = None) -> MetricValues:
    """Return what a run shows to Prometheus: as it stands now, or as it ended."""
    traffic, telemetry, now_s = active.traffic, active.telemetry, time.time()
    pacing = telemetry.pacing
    return MetricValues(
        campaign_id=active.run.campaign_id,
        records=report.records if report else active.accounts.counts,
        requests=report.requests if report else replace(traffic.requests),
        duration_s=report.duration_s if report else active.clock.worked_s,
        latency=telemetry.latencies,
        statuses=telemetry.statuses,
        throttled_s=telemetry.throttled_s,
        retries=telemetry.retries,
        in_flight=traffic.turnstile.in_flight,
        rate_limit=pacing.rate_limit,
        in_flight_limit=pacing.in_flight_limit,
        **(_delta_values(active, report) if active.job.delta is not None else {}),
        campaigns=_campaign_values(active, report),
        exit_code=report.exit_code if report else None,
        finished_at_s=now_s if report else None,
        last_success_s=now_s if report and report.exit_code == 0 else None,
    )


def _campaign_values(active: ActiveRun, report: Report | None) -> list[CampaignValues]:
    """Return what is shown of each campaign of a run with many."""
    if report is not None:
        return [CampaignValues(each.campaign_id, each.records, each.exit_code) for each in report.campaigns]
    refused = active.traffic.campaigns.errors
    return [
        CampaignValues(campaign_id, each.counts, int(error.exit_code) if (error := refused.get(campaign_id)) else None)
        for campaign_id, each in dict(active.accounts.campaigns).items()  # the producer's thread adds to it
    ]


def _delta_values(active: ActiveRun, report: Report | None) -> dict[str, Any]:
    """Return what is shown of gone ids and of the ledger; of the latter, its age is known at the end."""
    facts = report.delta if report else active.ledger.facts()
    gone = report.gone if report else active.gone.counts if active.gone is not None else Gone()
    oldest = datetime.fromisoformat(facts.last_full_at).timestamp() if facts.last_full_at else None
    return {
        "gone_found": gone.found,
        "gone_updated": gone.updated,
        "ledger_records": facts.ledger_records,
        "ledger_oldest_s": oldest,
    }


def write_metrics(table: NotifyTable, values: MetricValues) -> None:
    """Write the metrics file, if one is wanted."""
    if table.prometheus_textfile is not None:
        with Harmless("writing the metrics"):
            _log(write_metrics_file(table.prometheus_textfile, values))


def announce_no_run(settings: RunSettings, exit_code: int) -> None:
    """Tell the health check and people that there will be no report: a run could not begin or met a bug."""
    if url := settings.notify.healthcheck_url:
        with Harmless("telling the health check"):
            _log(asyncio.run(ping_no_run(url, exit_code)))
    if settings.notify.urls:
        from engine.run.alerting import alert_no_run

        with Harmless("telling people"):
            _log(alert_no_run(settings, exit_code))


def _log(problem: str | None) -> None:
    if problem:
        get_logger().warning("not_announced", message=problem)
