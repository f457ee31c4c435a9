"""What the ledgers of a state directory hold, for people who ask. Nobody is disturbed: a run may be under way."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.run.job import delta_of
from engine.run.ledger_of_run import WaitingChanges, columns_of, target_of
from engine.run.opened_ledger import MAPPING_CHANGED
from engine.settings import Settings
from engine.state import Journal, LedgerRow, journal_copy

if TYPE_CHECKING:
    from engine.ledger import Columns

FILES_MISSING = "the files of the ledger are missing or cut"

ATTEMPTS = 3
"""A run that replaces the files of a ledger deletes the old ones: who meets that looks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFacts:
    """A source that writes to a campaign."""

    name: str
    holds: str
    """As `source.holds`."""
    last_run_at: str
    last_complete_run: str | None
    """The id of its last run that was complete; None without one, or if it is not known any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFacts:
    """The ledger of a campaign, with what a run under way, or one that was killed, has acknowledged so far."""

    url: str
    org_id: str | None
    campaign_id: str
    ids: int
    good: int
    """Ids whose values are known to be on the server: the next run leaves out the records that equal them."""
    gone: int
    """Ids that a source holds no more, and that still wait to be told so, or are only listed."""
    bytes: int
    """What its files take on the disk."""
    last_full_at: str | None
    """When the oldest of the good ones was acknowledged; None without any."""
    feeds: tuple[FeedFacts, ...]
    full_reason: str | None
    """Why the next run sends everything, if that is known already."""


def ledgers_in(state_dir: Path) -> list[LedgerFacts]:
    """Return what is known of all ledgers.

    Raises:
        StateFailed: the journal can't be read.
    """
    found: list[LedgerFacts] = []
    for _ in range(ATTEMPTS):
        with journal_copy(state_dir) as journal:
            found = [_facts(row, state_dir, journal) for row in journal.ledgers()]
        if not any(ledger.full_reason == FILES_MISSING for ledger in found):
            break
    return found


def ledger_for(settings: Settings) -> LedgerFacts | None:
    """Return what is known of the ledger that the next sync with these settings compares its source with.

    Raises:
        StateFailed: the journal can't be read.
    """
    delta = delta_of(settings, full=False)
    with journal_copy(settings.state.dir) as journal:
        row = journal.ledger(target_of(settings))
        if row is None or delta is None:
            return None
        facts = _facts(row, settings.state.dir, journal)
    if row.mapping != delta.mapping and not facts.full_reason:
        return replace(facts, good=0, full_reason=MAPPING_CHANGED)
    return facts


def _facts(row: LedgerRow, state_dir: Path, journal: Journal) -> LedgerFacts:
    from engine.ledger import NotTheLedger, tally

    url, org_id, campaign_id = json.loads(row.target)
    try:
        columns = columns_of(row, state_dir)
        full_reason = row.forgotten
    except NotTheLedger:
        columns, full_reason = None, row.forgotten or FILES_MISSING
    held = tally(columns, (change for _, change in WaitingChanges(journal, row)))
    feeds = (
        FeedFacts(
            name=name,
            holds=feed.holds,
            last_run_at=feed.last_run_at,
            last_complete_run=journal.run_id(feed.complete_run),
        )
        for name, feed in row.feeds.items()
    )
    return LedgerFacts(
        url=url,
        org_id=org_id,
        campaign_id=campaign_id,
        ids=held.ids,
        good=0 if full_reason else held.good,
        gone=_gone(columns),
        bytes=sum(_size(path) for path in state_dir.glob(f"{row.name}[.-]*")),
        last_full_at=journal.started_at(row.oldest_run) if row.oldest_run else None,
        feeds=tuple(feeds),
        full_reason=full_reason or None,
    )


def _gone(columns: Columns | None) -> int:
    if columns is None:
        return 0
    tags = zip(columns.header.tags, columns.header.tag_records, strict=True)
    return sum(records for tag, records in tags if tag.gone_since)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a run has just deleted it
        return 0
