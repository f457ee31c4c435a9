"""Which ledger a job gets, and how far it can be trusted: a full send that says so is always the safe answer."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec

from engine.report import iso
from engine.run.job import Delta, Job
from engine.run.ledger_of_run import LedgerOfRun, NoLedger, VoidingLedger, paths_of, target_of
from engine.settings import RunSettings
from engine.state import Feed, Journal, LedgerRow, OwnThread, Run

random_bytes = os.urandom

MAPPING_CHANGED = "what shapes the records has changed since (the mapping)"

DIGEST_VERSION = 1
"""Of what `engine/ledger/digests.py` makes: digests of another version say nothing."""


def open_ledger(job: Job, settings: RunSettings, run: Run, thread: OwnThread[Journal]) -> NoLedger:
    """Open the ledger of the campaign, or make one, as the job needs it. Called in the journal's thread.

    Raises:
        StateFailed: it cannot be written.
    """
    journal, state_dir = thread.value, settings.state.dir
    row, delta = journal.ledger(target_of(settings)), job.delta
    if delta is None:
        is_whole = job.kind == "sync" and job.limit is None
        return NoLedger() if row is None else VoidingLedger(row, run, thread, is_whole=is_whole)
    row, why = _usable(row, delta, settings, journal, run.number if run.read else 0)
    row = msgspec.structs.replace(row, feeds=with_feed(row.feeds, delta, run), forgotten="")
    journal.put_ledger(row)
    ledger = LedgerOfRun(
        row,
        run,
        thread,
        delta=delta,
        state_dir=state_dir,
        full_reason=why,
    )
    ledger.prepare(journal)
    return ledger


def _usable(
    row: LedgerRow | None, delta: Delta, settings: RunSettings, journal: Journal, sending_run: int
) -> tuple[LedgerRow, str]:
    """Return the ledger as far as it can be trusted, and why that is not at all, or an empty text."""
    from engine.ledger import VoidedAll, encode_change

    if row is None:
        return new_row(target_of(settings), delta, lacks_run=sending_run), ""
    row, why = intact(row, delta, settings, journal, sending_run)
    if why:
        return row, why
    if row.mapping == delta.mapping and row.digest_version == DIGEST_VERSION:
        return row, row.forgotten
    same = msgspec.structs.replace(row, mapping=delta.mapping, digest_version=DIGEST_VERSION)
    journal.put_ledger(same, [encode_change(VoidedAll())])
    return same, MAPPING_CHANGED


def intact(
    row: LedgerRow, delta: Delta, settings: RunSettings, journal: Journal, sending_run: int
) -> tuple[LedgerRow, str]:
    """Return a ledger if its files are what they were, else an empty one with the same secret, and why.

    `sending_run` is the number of the present run if it has sent some of the campaign before it went on, or else 0.
    """
    from engine.ledger import NotTheLedger, verify

    stem, ids = paths_of(row, settings.state.dir)
    try:
        if row.generation:
            verify(stem, row.generation, row.checksum, ids, row.ids_bytes, row.ids_checksum)
    except NotTheLedger as error:
        journal.delete_ledger(row.target)
        return new_row(row.target, delta, row.key, lacks_run=sending_run), f"the ledger cannot be used: {error}"
    return row, ""


def new_row(target: str, delta: Delta, key: int | None = None, *, lacks_run: int = 0) -> LedgerRow:
    """Return a new ledger; its secret is random unless it is given. For `lacks_run` see `LedgerRow`."""
    name = f"ledger-{blake2b(target.encode(), digest_size=6).hexdigest()}"
    key = int.from_bytes(random_bytes(8), "big") if key is None else key
    return LedgerRow(target, key, name, mapping=delta.mapping, digest_version=DIGEST_VERSION, lacks_run=lacks_run)


FEEDS_MAX = 32
"""So many feeds can be told apart in a campaign."""


def with_feed(feeds: dict[str, Feed], delta: Delta, run: Run) -> dict[str, Feed]:
    """Return the feeds, this one among them, which begins a run now."""
    if not delta.feed:
        return feeds
    known = feeds.get(delta.feed)
    number = len(feeds)
    bit = known.bit if known else (1 << number if number < FEEDS_MAX else 0)
    feed = Feed(bit=bit, holds=delta.holds, last_run_at=run.started_at)
    if known:
        feed = msgspec.structs.replace(feed, complete_run=known.complete_run, files=known.files)
    return {**feeds, delta.feed: feed}


def kept_since(keep_days: int) -> str:
    """Return the moment before which nothing counts any more, `state.keep_days` ago, as rows have it."""
    return iso(datetime.now(UTC) - timedelta(days=keep_days))


def other_feeds(row: LedgerRow, delta: Delta, keep_days: int) -> dict[str, Feed]:
    """Return the other sources that hold the portfolio of the campaign, as far as they still count."""
    since = kept_since(keep_days)
    return {
        name: feed
        for name, feed in row.feeds.items()
        if name != delta.feed and feed.holds == "portfolio" and feed.last_run_at >= since
    }
