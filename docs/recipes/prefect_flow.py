"""Prefect 3: the portfolio, every night at two. `python prefect_flow.py` serves it."""

import os

from prefect import flow, task

import engine

CONFIG = os.environ.get("BULK_SYNC_CONFIG", "config.toml")


async def is_worth_another_try(_task, _run, state) -> bool:
    """Return whether the same call may go on: all else needs a person."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, engine.StateLocked | engine.Interrupted)


@task(retries=6, retry_delay_seconds=600, retry_condition_fn=is_worth_another_try)
async def sync() -> dict[str, object]:
    """Bring the portfolio to the API."""
    report = await engine.sync(engine.load_config(CONFIG))
    if report.exit_code == engine.ExitCode.INTERRUPTED:
        raise engine.Interrupted(report.message)  # Prefect tries again, and the same run goes on
    if report.status == "failed":
        raise RuntimeError(report.message)
    return {"run_id": report.run_id, "updated": report.records.updated, "not_accepted": report.not_accepted}


@flow
async def portfolio() -> dict[str, object]:
    """Bring the portfolio to the API."""
    return await sync()


if __name__ == "__main__":
    portfolio.serve(name="nightly", cron="0 2 * * *", limit=1)  # one run a state directory
