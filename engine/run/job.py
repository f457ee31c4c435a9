"""What is to be done, as plain values made of the settings. Quick to import: a second process starts reading by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from msgspec import Struct, field

from engine.api import Endpoint
from engine.reading import Cutting, Pass, Reading, Routing
from engine.settings import GivenSettings, RunSettings, Settings, SourceTable, Threshold
from engine.sources import Source
from engine.values import CAMPAIGN_ID_BYTES_MAX, Chunk

HASHED_FIRST_BYTES = 16 << 20
"""A smaller source is hashed before a run begins or goes on, which takes milliseconds: what has changed is then said
before anything is sent. What a larger one holds is only known as far as it has been read."""


class Delta(Struct, frozen=True):
    """How a job treats the ledger of its campaign, where only what has changed is sent."""

    feed: str
    """What the source is called from night to night; empty if it is none, so that nobody can be gone from it."""
    holds: str
    """As `source.holds`."""
    mapping: str
    """Stands for what shapes the records."""
    is_full: bool = False
    """Whether every record is sent."""
    full_every_s: float | None = None
    moved: str = "report"
    """`report` or `gone`: what becomes of ids that stand under another campaign now."""
    gone: str = "ignore"
    """`report`, `ignore`, or `send`, and then the constants."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    max_gone: Threshold = field(default_factory=Threshold)


class Job(Struct, frozen=True):
    """What to run: `identity` holds every setting that decides what is sent, by its dotted name."""

    kind: str
    source: Source
    chunks: Callable[[], Iterator[Chunk]]
    """Reads the source once, from its start."""
    identity: Mapping[str, Any]
    fresh: bool = False
    limit: int | None = None
    of_rejects: bool = False
    """Whether these are records that were rejected before: there may be none, and any share of them may fail again."""
    config_path: str = ""
    delta: Delta | None = None
    """None: every record is sent, and what the ledger knew of it is void."""
    compared: Pass | None = None
    """Reads the source once, compared with the ledger."""
    is_rereadable: bool = False
    """Whether the source can be read twice."""
    holds_all: bool = True
    """Whether the source is a whole portfolio, which a newer one replaces; else a part, which must be delivered."""
    taken_at: float | None = None
    """When the snapshot of a database was taken, in seconds since 1970; None where the source is none."""
    token_argument: str = "token"  # noqa: S105  (its name)
    """How whoever called the library names the place of the token."""
    discard: Callable[[], None] | None = None
    """Deletes what was read into the state directory, once no process needs it any more."""


def endpoint_of(settings: RunSettings, read_token: Callable[[], str] | None = None) -> Endpoint:
    """Return where the records go, as plain values."""
    table = settings.api
    return Endpoint(
        url=table.url,
        campaign_id=table.campaign_id,
        read_token=read_token or table.read_token,
        org_id=table.org_id,
        timeout_s=table.timeout_s,
        ca_file=str(table.ca_file) if table.ca_file else None,
        proxy=table.proxy,
        concurrency=settings.upload.concurrency,
    )


def cutting_of(settings: RunSettings, limit: int | None = None) -> Cutting:
    """Return where chunks are cut, as plain values."""
    upload = settings.upload
    endpoint, routing = endpoint_of(settings), routing_of(settings)
    longest = max(_campaign_ids(settings), key=lambda campaign_id: len(campaign_id.encode()), default="")
    envelope_bytes = sum(map(len, endpoint.envelope(longest)))
    lines_bytes_max = max(1, upload.max_body_bytes - envelope_bytes)
    return Cutting(upload.batch_size, lines_bytes_max, upload.concurrency, limit, routing)


def routing_of(settings: RunSettings) -> Routing | None:
    """Return which record is for which campaign, as plain values; None where there is only one."""
    if not isinstance(settings, Settings) or settings.route.column is None:
        return None
    route = settings.route
    return Routing(route.column or "", route.campaigns, route.other, route.open_chunks)


def campaign_ids_of(settings: RunSettings) -> tuple[str, ...] | None:
    """Return the campaigns that records can be routed to; None where only the source knows them."""
    return settings.route.campaign_ids() if isinstance(settings, Settings) else ()


def _campaign_ids(settings: RunSettings) -> tuple[str, ...]:
    """Return the campaigns that there can be; where only the source knows them, an id as long as any."""
    if routing_of(settings) is None:
        return ()
    known = campaign_ids_of(settings)
    return ("?" * CAMPAIGN_ID_BYTES_MAX,) if known is None else known


def reading_of(settings: Settings, limit: int | None, retry_window_s: float | None = None) -> Reading:
    """Return how the source is read and cut, as plain values.

    A store that is out of reach is waited for `retry_window_s` seconds; by default, only as long as a person waits.
    """
    spec, constants = settings.source.spec(), settings.delta.constants() or {}
    if retry_window_s is not None:
        spec = replace(spec, access=replace(spec.access, retry_window_s=retry_window_s))
    spec = replace(spec, route=settings.route.column)
    if settings.delta.mode != "off" and spec.id is not None:
        columns = (settings.source.column_of(name) for name in constants if name not in spec.constants)
        spec = replace(spec, tells_filtered=bool(spec.where), also_needed=tuple(filter(None, columns)))
    return Reading(spec, cutting_of(settings, limit), record_bytes_max=settings.upload.max_body_bytes)


def identity_of(settings: RunSettings, limit: int | None = None) -> dict[str, Any]:
    """Return the settings that decide what is sent where, but for the source: a resumed run must have the same."""
    return {
        "api.url": settings.api.url,
        "api.campaign_id": settings.api.campaign_id,
        "api.org_id": settings.api.org_id,
        "upload.batch_size": settings.upload.batch_size,
        "upload.max_body_bytes": settings.upload.max_body_bytes,
        "--limit": limit,
    }


def given_identity_of(settings: GivenSettings) -> dict[str, Any]:
    """Return the settings that decide what is sent where, of records that are given; their mapping if they have one."""
    mapping = settings.source.mapping() if settings.source.id is not None else {}
    return identity_of(settings) | {f"source.{key}": value for key, value in mapping.items()}


def source_identity_of(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide what is read, and what it becomes."""
    route = {f"route.{key}": value for key, value in settings.route.identity().items()}
    return {f"source.{key}": value for key, value in settings.source.identity().items()} | route


def mapping_of(settings: Settings) -> str:
    """Return what stands for the settings that shape the records: digests of another mapping say nothing."""
    mapping = json.dumps(settings.source.mapping(), sort_keys=True)
    return blake2b(mapping.encode(), digest_size=16).hexdigest()


def delta_of(settings: Settings, *, full: bool, of_source: bool = True) -> Delta | None:
    """Return how the ledger is treated, None with delta off. Records are `of_source`, or were rejected earlier."""
    table, mapping = settings.delta, mapping_of(settings)
    if table.mode == "off":
        return None
    if not of_source:
        return Delta("", "changes", mapping, is_full=True)
    constants = table.constants()
    return Delta(
        feed=table.feed or settings.source.feed(),
        holds=settings.source.holds,
        mapping=mapping,
        is_full=full,
        full_every_s=table.full_every,
        moved=table.moved,
        gone=str(table.gone) if constants is None else "send",
        constants=constants or {},
        max_gone=settings.guard.max_gone,
    )


def delta_identity_of(settings: Settings, *, full: bool) -> dict[str, Any]:
    """Return the settings of `[delta]` that decide what is sent; none with delta off."""
    table = {f"delta.{key}": value for key, value in settings.delta.identity().items()}
    return {**table, "--full": True} if table and full else table


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings that differ; one that a run's version did not know is as by default."""
    default = {f"source.{key}": value for key, value in SourceTable.default_identity().items()}
    names = {*before, *now} - {"source.path"}  # the same records may come by another name
    return sorted(key for key in names if before.get(key, default.get(key)) != now.get(key, default.get(key)))
