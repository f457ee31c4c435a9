"""Dagster: the portfolio as an asset, every night at two. `dagster dev -f dagster_job.py` shows it."""

import asyncio
import os

from dagster import (
    Backoff,
    Definitions,
    Failure,
    MaterializeResult,
    RetryPolicy,
    ScheduleDefinition,
    asset,
    define_asset_job,
)

import engine

CONFIG = os.environ.get("BULK_SYNC_CONFIG", "config.toml")


@asset(retry_policy=RetryPolicy(max_retries=6, delay=600, backoff=Backoff.LINEAR), pool="bulk_sync")  # one at a time
def portfolio() -> MaterializeResult:
    """The portfolio, as the API has it."""
    try:
        report = asyncio.run(engine.sync(engine.load_config(CONFIG)))
    except (engine.StateLocked, engine.Interrupted):
        raise  # Dagster tries again
    except engine.EngineError as error:
        raise Failure(str(error), allow_retries=False) from error
    if report.exit_code == engine.ExitCode.INTERRUPTED:
        raise engine.Interrupted(report.message)  # Dagster tries again, and the same run goes on
    if report.status == "failed":
        raise Failure(report.message, allow_retries=False)
    counts = {"updated": report.records.updated, "not_accepted": report.not_accepted}
    return MaterializeResult(metadata={"run_id": report.run_id, **counts})


nightly = define_asset_job("nightly", selection=[portfolio])
definitions = Definitions(assets=[portfolio], schedules=[ScheduleDefinition(job=nightly, cron_schedule="0 2 * * *")])
