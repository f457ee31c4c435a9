"""Given records as a job: the same run, without files."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from functools import partial
from os import PathLike
from typing import Any

from engine.report import Report
from engine.run.job import Job, identity_of, reading_of
from engine.settings import from_tables
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
        "source": {"path": ["-"], "format": "ndjson"},  # not read: the records are given
        "state": {"dir": str(state_dir)},
        "upload": dict(upload),
    }
    settings = from_tables(tables, origin="the arguments of push")
    source = PairsSource(records, settings.upload.batch_size)
    chunks = partial(reading_of(settings, None).cutting.cut, source)
    identity = {key: value for key, value in identity_of(settings, None).items() if not key.startswith("source.")}
    job = Job("push", source, chunks, identity, fresh)
    from engine.run.lifecycle import carry_out

    return await carry_out(lambda _journal: job, settings, stop=stop or Stop(), read_token=lambda: token)
