"""Who hears about a run: the health check, the operator's command, and the metrics file. None of them can fail it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from engine import logs, metrics, notify
from engine.active_run import ActiveRun
from engine.config import Notify, Settings
from engine.report import REPORT_JSON, Report


async def announce_start(table: Notify) -> None:
    """Tell the health check that a run starts."""
    if table.healthcheck_url:
        _log(await asyncio.to_thread(notify.ping_start, table.healthcheck_url))


async def announce_end(settings: Settings, report: Report, run_dir: Path) -> None:
    """Tell the health check and the operator's command how a run ended."""
    table = settings.notify
    if table.healthcheck_url:
        _log(await asyncio.to_thread(notify.ping_end, table.healthcheck_url, report))
    if table.command:
        secrets = (settings.api.token_env,)
        path = run_dir / REPORT_JSON
        _log(await asyncio.to_thread(notify.run_command, table.command, report, path, secret_names=secrets))


def write_metrics(table: Notify, report: Report, active: ActiveRun) -> None:
    """Write the metrics file, if one is wanted."""
    if table.prometheus_textfile is None:
        return
    now_s = time.time()
    values = metrics.MetricValues(
        campaign_id=report.campaign_id,
        records=report.records,
        requests=report.requests,
        duration_s=report.duration_s,
        latency=active.telemetry.latencies,
        throttled_s=report.throttled_s,
        retries=active.traffic.retries,
        in_flight=active.traffic.turnstile.in_flight,
        rate_limit=report.pacing.rate_limit,
        in_flight_limit=report.pacing.in_flight_limit,
        exit_code=report.exit_code,
        finished_at_s=now_s,
        last_success_s=now_s if report.exit_code == 0 else None,
    )
    _log(metrics.write(table.prometheus_textfile, values))


def _log(problem: str | None) -> None:
    if problem:
        logs.get_logger().warning("not_announced", message=problem)
