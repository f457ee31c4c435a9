"""Airflow 3: the portfolio, every night at two. Put this file into the folder of DAGs."""

import asyncio
import os
from datetime import datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

import engine

CONFIG = os.environ.get("BULK_SYNC_CONFIG", "config.toml")


@dag(
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # only the newest portfolio matters
    max_active_runs=1,  # one run a state directory
    default_args={"retries": 6, "retry_delay": timedelta(minutes=10)},
)
def portfolio():
    """Bring the portfolio to the API."""

    @task
    def sync() -> dict[str, object]:
        try:
            report = asyncio.run(engine.sync(engine.load_config(CONFIG)))
        except (engine.StateLocked, engine.Interrupted):
            raise  # Airflow tries again
        except engine.EngineError as error:
            raise AirflowFailException(str(error)) from error
        if report.exit_code == engine.ExitCode.INTERRUPTED:
            raise engine.Interrupted(report.message)  # Airflow tries again, and the same run goes on
        if report.status == "failed":
            raise AirflowFailException(report.message)
        return {"run_id": report.run_id, "updated": report.records.updated, "not_accepted": report.not_accepted}

    sync()


portfolio()
