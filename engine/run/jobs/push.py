"""Given records as a job: the same run, without files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from functools import partial
from os import PathLike, fspath
from typing import Any

from engine.report import Report
from engine.run.job import Job, cutting_of, given_identity_of
from engine.run.lifecycle import carry_out
from engine.settings import GivenSettings, from_arguments, in_terms_of_a_call, why_no_token
from engine.sources import PairsSource, Source, is_read_again, is_table
from engine.values import EngineError, Stop


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
    given: Mapping[str, Any],
) -> Report:
    """Send pairs, or the rows of tables; `given` are other arguments of the call. See `engine.push`."""
    settings = from_arguments(
        {"url": url, "campaign_id": campaign_id, "org_id": org_id or None, "state_dir": _path(state_dir), **given},
        origin="the call of push",
        mistakes=[*_unusable(records, token), *_misfits(records, given), *_impossible_guards(records, given)],
    )
    try:
        source = await _opened(records, settings)
        job = Job(
            "push",
            source,
            partial(cutting_of(settings).cut, source),
            given_identity_of(settings),
            fresh,
            is_rereadable=is_read_again(records),
        )
        return await carry_out(lambda _journal: job, settings, stop=stop or Stop(), read_token=token.strip)
    except EngineError as error:
        error.args = (in_terms_of_a_call(str(error)),)
        raise


async def _opened(records: Iterable[Any] | AsyncIterable[Any], settings: GivenSettings) -> Source:
    """Return the records as a source.

    Raises:
        ConfigError: they are not what their mapping is for, or it does not fit their columns.
    """
    upload = settings.upload
    if settings.source.id is None:
        return PairsSource(records, upload.batch_size)
    from engine.sources import ArrowSource  # here: Arrow takes long to import

    spec, limits = settings.source.shapes(), (upload.batch_size, upload.max_body_bytes)
    source = ArrowSource(records, spec, batch_size=limits[0], record_bytes_max=limits[1])
    await asyncio.to_thread(source.look)
    return source


def _path(given: str | PathLike[str]) -> object:
    """Return a path as text; what is none is left to the check of types."""
    return fspath(given) if isinstance(given, PathLike) else given


def _unusable(records: object, token: object) -> list[str]:
    """Return a sentence for each of these that cannot be what it is taken for; none repeats the token."""
    mistakes = []
    if isinstance(records, Mapping):
        mistakes.append("records: must be pairs of id and data, not a mapping: give its items()")
    elif isinstance(records, str | bytes) or not (isinstance(records, Iterable | AsyncIterable) or is_table(records)):
        mistakes.append(f"records: must be an iterable of pairs of id and data, not {type(records).__name__}")
    if not isinstance(token, str):
        mistakes.append(f"token: must be text, not {type(token).__name__}")
    elif why := why_no_token(token.strip()):
        mistakes.append(f"token: {why}")
    return mistakes


def _misfits(records: object, arguments: Mapping[str, Any]) -> list[str]:
    """Return a sentence if these records are pairs that are called tables, or tables without the name of their id."""
    has_id = arguments.get("id") is not None
    if is_table(records) and not has_id:
        return [f"id: missing; name the column of {type(records).__name__} that holds the id"]
    first = records[0] if isinstance(records, list | tuple) and records else None
    if has_id and isinstance(first, list | tuple):
        return ["id: names a column, but records are pairs: leave it out, or give a table"]
    if not has_id and is_table(first):
        return [f"id: missing; name the column of each {type(first).__name__} that holds the id"]
    return []


def _impossible_guards(records: Iterable[Any] | AsyncIterable[Any], arguments: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each guard that these records cannot be held to."""
    mistakes = []
    if isinstance(records, AsyncIterator) or not (isinstance(records, AsyncIterable) or is_read_again(records)):
        what = "table" if arguments.get("id") is not None else "list"
        advice = f"counts the records before it sends them, but these can be read only once: give a {what}"
        mistakes += [f"{name}: {advice}" for name in ("min_records", "max_shrink") if arguments.get(name) is not None]
    if arguments.get("max_age") is not None:
        mistakes.append("max_age: there is no file whose age could be told")
    return mistakes
