"""Given records as a job: the same run, without files."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from functools import partial
from os import PathLike, fspath
from typing import Any

from engine.report import Report
from engine.run.job import Job, cutting_of, identity_of
from engine.run.lifecycle import carry_out
from engine.settings import from_arguments, in_terms_of_a_call, why_no_token
from engine.sources import PairsSource
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
    upload: Mapping[str, Any],
) -> Report:
    """Send `(id, data)` pairs; see `engine.push`."""
    settings = from_arguments(
        {"url": url, "campaign_id": campaign_id, "org_id": org_id or None, "state_dir": _path(state_dir), **upload},
        origin="the call of push",
        mistakes=[*_unusable(records, token), *_impossible_guards(records, upload)],
    )
    source = PairsSource(records, settings.upload.batch_size)
    job = Job(
        "push",
        source,
        partial(cutting_of(settings).cut, source),
        identity_of(settings),
        fresh,
        is_rereadable=not isinstance(records, Iterator | AsyncIterable),
    )
    try:
        return await carry_out(lambda _journal: job, settings, stop=stop or Stop(), read_token=token.strip)
    except EngineError as error:
        error.args = (in_terms_of_a_call(str(error)),)
        raise


def _path(given: str | PathLike[str]) -> object:
    """Return a path as text; what is none is left to the check of types."""
    return fspath(given) if isinstance(given, PathLike) else given


def _unusable(records: object, token: object) -> list[str]:
    """Return a sentence for each of these that cannot be what it is taken for; none repeats the token."""
    mistakes = []
    if isinstance(records, Mapping):
        mistakes.append("records: must be pairs of id and data, not a mapping: give its items()")
    elif isinstance(records, str | bytes) or not isinstance(records, Iterable | AsyncIterable):
        mistakes.append(f"records: must be an iterable of pairs of id and data, not {type(records).__name__}")
    if not isinstance(token, str):
        mistakes.append(f"token: must be text, not {type(token).__name__}")
    elif why := why_no_token(token.strip()):
        mistakes.append(f"token: {why}")
    return mistakes


def _impossible_guards(records: Iterable[Any] | AsyncIterable[Any], arguments: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each guard that these records cannot be held to."""
    mistakes = []
    if isinstance(records, Iterator | AsyncIterator):
        advice = "counts the records before it sends them, but these can be read only once: give a list"
        mistakes += [f"{name}: {advice}" for name in ("min_records", "max_shrink") if arguments.get(name) is not None]
    if arguments.get("max_age") is not None:
        mistakes.append("max_age: there is no file whose age could be told")
    return mistakes
