"""Are there all the campaigns that records are for? Compared with the list that the API gives."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from math import ceil
from typing import TYPE_CHECKING

from engine.values import counted, program

if TYPE_CHECKING:
    from engine.commands.dry_run import Findings
    from engine.settings import Settings

SHOWN_MAX = 10
"""So many campaigns that are missing are named one by one."""


def missing_campaigns(wanted: Mapping[str, int], known: Collection[str]) -> list[str]:
    """Return a sentence for each campaign that the token may not write to, or that there is none of.

    `wanted` says how many records of the source each campaign has.
    """
    missing = sorted(set(wanted).difference(known), key=lambda campaign: (-wanted[campaign], campaign))
    lines = []
    for campaign in missing[:SHOWN_MAX]:
        records = f"; the source has {counted(wanted[campaign], 'record')} for it" if wanted[campaign] else ""
        lines.append(
            f"the token is valid, but there is no {campaign} among its {counted(len(known), 'campaign')}{records}"
        )
    left = len(missing) - SHOWN_MAX
    return [*lines, f"and {counted(left, 'campaign')} more that there are none of"] if left > 0 else lines


def routed_text(wanted: Mapping[str, int], column: str) -> str:
    """Return how many records of the source are for how many campaigns."""
    met = sum(count > 0 for count in wanted.values())
    idle = f"; {counted(len(wanted) - met, 'campaign')} of route.campaigns without any" if met < len(wanted) else ""
    return f"{counted(sum(wanted.values()), 'record')} for {counted(met, 'campaign')} by {column!r}{idle}"


def fuller_requests(wanted: Mapping[str, int], found: Findings, settings: Settings) -> str | None:
    """Return how requests could be fuller, if they are far from it for the number of campaigns; else None."""
    from engine.settings import OPEN_CHUNKS_MAX

    route, upload = settings.route, settings.upload
    met = sum(count > 0 for count in wanted.values())
    full = sum(ceil(count / upload.batch_size) for count in wanted.values())
    by_bytes = 2 * found.request_bytes_max > upload.max_body_bytes
    if met <= route.open_chunks or found.requests <= 2 * full or by_bytes:
        return None
    return (
        f"{counted(found.requests, 'request')} where {full:,} would do: only {route.open_chunks:,} full ones may wait "
        f"for more records; sort the source by {route.column!r}, or, with memory for as many requests, set "
        f"route.open_chunks = {min(met, OPEN_CHUNKS_MAX)}"
    )


def ledgers_text(settings: Settings) -> str:
    """Return what the next sync of many campaigns compares its source with.

    Raises:
        StateFailed: the state can't be read.
    """
    from engine.run import campaign_ids_of, ledgers_in

    known, here = campaign_ids_of(settings), (settings.api.url, settings.api.org_id)
    facts = [each for each in ledgers_in(settings.state.dir) if (each.url, each.org_id) == here]
    facts = [each for each in facts if known is None or each.campaign_id in known]
    if not facts:
        return "there is none yet: the first run sends everything, later ones what has changed"
    ids, good = sum(each.ids for each in facts), sum(each.good for each in facts)
    full = sum(each.full_reason is not None for each in facts)
    whole = f"; everything is sent to {counted(full, 'campaign')}" if full else ""
    return (
        f"{counted(len(facts), 'campaign')} with {counted(ids, 'id')}, {good:,} of them known to be on the server; the "
        f"next run sends what has changed{whole}"
    )


def rows_text(settings: Settings, rows: Mapping[str, int | None], config_path: str) -> str | None:
    """Compare how many rows the campaign holds with how many the ledger thinks it does; None if that is in order.

    Raises:
        StateFailed: the state can't be read.
    """
    from engine.run import ledger_for

    facts, held = ledger_for(settings), rows.get(settings.api.campaign_id)
    if facts is None or held is None or facts.ids <= held:
        return None
    return (
        f"the campaign holds {counted(held, 'row')}, the ledger {counted(facts.ids, 'id')}: "
        f"if rows were deleted there, have all sent again: "
        f"{program()} ledger forget {shlex.join(['--campaign', facts.campaign_id, '-c', config_path])}"
    )
