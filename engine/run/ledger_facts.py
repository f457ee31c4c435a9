"""What the ledgers of a state directory hold, for people who ask. Nobody is disturbed: a run may be under way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.run.ledger_of_run import paths_of
from engine.state import Journal, LedgerRow, journal_copy

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
    """The ledger of a campaign, as its files have it: what a run has acknowledged since is merged at its end."""

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
    changes_waiting: bool
    """Whether something is not merged yet: a run is under way, or was killed, or something was forgotten."""
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


def _facts(row: LedgerRow, state_dir: Path, journal: Journal) -> LedgerFacts:
    url, org_id, campaign_id = json.loads(row.target)
    gone = _gone(row, state_dir)
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
        ids=row.records,
        good=0 if row.forgotten or gone is None else row.valid,
        gone=gone or 0,
        bytes=sum(_size(path) for path in state_dir.glob(f"{row.name}[.-]*")),
        last_full_at=journal.started_at(row.oldest_run) if row.oldest_run else None,
        feeds=tuple(feeds),
        changes_waiting=next(iter(journal.ledger_changes(row.target)), None) is not None,
        full_reason=row.forgotten or (FILES_MISSING if gone is None else None),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a run has just deleted it
        return 0


def _gone(row: LedgerRow, state_dir: Path) -> int | None:
    """Return how many ids are gone; None if the files can't be read."""
    from engine.ledger import NotTheLedger, open_columns

    if not row.generation:
        return 0
    stem, ids = paths_of(row, state_dir)
    try:
        header = open_columns(stem, row.generation, ids).header
    except NotTheLedger:
        return None
    tags = zip(header.tags, header.tag_records, strict=True)
    return sum(records for tag, records in tags if tag.gone_since)
