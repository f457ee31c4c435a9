"""Given records as a job: the same run, without files."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from functools import partial
from os import PathLike
from typing import Any

from engine.report import Report
from engine.run.job import Job, cutting_of, identity_of
from engine.run.lifecycle import carry_out
from engine.settings import run_settings_from
from engine.sources import PairsSource
from engine.values import Stop


async def push(
    records: Iterable[Any] | AsyncIterable[Any],
    *,
    url: str,
    campaign_id: str,
    token: str,
    state_dir: str | PathLike[str],
    org_id: str | None,
    fresh: bool,
    stop: Stop | None,
    upload: Mapping[str, Any],
) -> Report:
    """Send `(id, data)` pairs; see `engine.push`."""
    tables: dict[str, dict[str, object]] = {
        "api": {"url": url, "campaign_id": campaign_id, **({"org_id": org_id} if org_id else {})},
        "state": {"dir": str(state_dir)},
        "upload": dict(upload),
    }
    settings = run_settings_from(tables, origin="the call of push")
    source = PairsSource(records, settings.upload.batch_size)
    job = Job("push", source, partial(cutting_of(settings).cut, source), identity_of(settings), fresh)
    return await carry_out(lambda _journal: job, settings, stop=stop or Stop(), read_token=lambda: token)
