"""The ledgers of a run that has many campaigns: one for each, taken up when its first chunk is about to leave."""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec

from engine.reading import Comparing, key_of_campaign
from engine.report import FULL_ASKED_FOR, DeltaFacts
from engine.run.job import Delta, Job, campaign_ids_of
from engine.run.ledger_of_run import LedgerOfRun, NoLedger, VoidingLedger, target_of
from engine.run.opened_ledger import (
    DIGEST_VERSION,
    MAPPING_CHANGED,
    intact,
    kept_since,
    new_row,
    open_ledger,
    with_feed,
)
from engine.settings import RunSettings
from engine.state import Journal, LedgerChanges, LedgerRow, OwnThread, Run
from engine.values import SEQ_BITS, Chunk, ChunkResult

random_bytes = os.urandom


def open_ledgers(job: Job, settings: RunSettings, run: Run, thread: OwnThread[Journal]) -> NoLedger:
    """Open the ledger of the campaign, or those of all campaigns. Called in the journal's thread.

    Raises:
        StateFailed: one cannot be written.
    """
    if run.campaign_id:
        return open_ledger(job, settings, run, thread)
    known = campaign_ids_of(settings)
    ledgers = RoutedLedgers(job, settings, run, thread, lambda campaign_id: known is None or campaign_id in known)
    ledgers.prepare(thread.value)
    return ledgers


class RoutedLedgers(NoLedger):
    """Those of one run. What they know of a campaign that is not met tonight stays as it is.

    Args:
        job: what is to be done.
        settings: of the run.
        run: as the journal knows it.
        thread: the journal's.
        may_be: whether a campaign can be one of the run's.
    """

    def __init__(
        self, job: Job, settings: RunSettings, run: Run, thread: OwnThread[Journal], may_be: Callable[[str], bool]
    ) -> None:
        super().__init__()
        self._job, self._settings, self._run, self._thread, self._may_be = job, settings, run, thread, may_be
        self._delta = job.delta
        self._ledgers: dict[str, NoLedger] = {}
        self._begun: set[str] = set()
        self._beginning: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._key = int.from_bytes(random_bytes(8), "big")
        self.full_reason = ""

    def prepare(self, journal: Journal) -> None:
        """Bring the ledgers up to date, and see what can be compared with each. Called in the journal's thread.

        Raises:
            StateFailed: one cannot be written.
        """
        here = json.loads(target_of(self._settings))
        for row in journal.ledgers():
            url, org_id, campaign_id = json.loads(row.target)
            if [url, org_id] == here[:2] and self._may_be(campaign_id):
                self._ledgers[campaign_id] = self._opened(row, campaign_id, journal)
        if self._delta is None:
            return
        compared = {each: ledger.comparing for each, ledger in self._ledgers.items() if ledger.comparing is not None}
        self.comparing = Comparing(self._key, is_full=self._delta.is_full, campaigns=compared)
        if not self._run.delta:
            journal.note_delta(self._run, {"full_reason": self._why_full()})
        self.full_reason = self._run.delta["full_reason"]

    def _why_full(self) -> str:
        if self._delta is not None and self._delta.is_full:
            return FULL_ASKED_FOR
        reasons = [ledger.full_reason for ledger in self._ledgers.values() if isinstance(ledger, LedgerOfRun)]
        return "" if "" in reasons else next(iter(reasons), "nothing was acknowledged yet")

    def _opened(self, row: LedgerRow, campaign_id: str, journal: Journal) -> NoLedger:
        delta = self._delta
        if delta is None:
            is_whole = self._job.kind == "sync" and self._job.limit is None
            return VoidingLedger(row, self._run, self._thread, is_whole=is_whole)
        done = self._done(campaign_id)
        row, why = intact(row, delta, self._settings, journal, self._run.number if done else 0)
        ledger = self._ledger(row, delta, why or row.forgotten or (MAPPING_CHANGED if _is_foreign(row, delta) else ""))
        ledger.prepare_one_of_many(journal, done, is_full=_is_foreign(row, delta))
        return ledger

    def _done(self, campaign_id: str) -> dict[int, int]:
        """Return the chunks of a campaign that the run had done before it went on, and how many records each has."""
        known = self._run.campaigns.get(campaign_id)
        first = known.number << SEQ_BITS if known else 0
        return {seq - first: read for seq, read in self._run.read.items() if known and seq >> SEQ_BITS == known.number}

    def _ledger(self, row: LedgerRow, delta: Delta, full_reason: str) -> LedgerOfRun:
        state_dir = self._settings.state.dir
        return LedgerOfRun(row, self._run, self._thread, delta=delta, state_dir=state_dir, full_reason=full_reason)

    def known(self, campaign_id: str) -> LedgerOfRun | None:
        """Return the ledger of a campaign, be it met or not; None if there is none yet."""
        ledger = self._ledgers.get(campaign_id)
        return ledger if isinstance(ledger, LedgerOfRun) else None

    def of(self, campaign_id: str) -> LedgerOfRun | None:
        """Return the ledger of a campaign that was met; None without one."""
        return self.known(campaign_id) if campaign_id in self._begun else None

    def not_met(self, keep_days: int) -> list[str]:
        """Return the campaigns that the feed has held in a complete run, not longer ago than so, and not tonight."""
        if self._delta is None:
            return []
        since = kept_since(keep_days)
        known = {each: self.known(each) for each in sorted(self._ledgers.keys() - self._begun)}
        feeds = {each: ledger.row.feeds.get(self._delta.feed) for each, ledger in known.items() if ledger is not None}
        return [each for each, feed in feeds.items() if feed and feed.complete_run and feed.last_run_at >= since]

    async def before(self, chunk: Chunk) -> None:
        """See `NoLedger`."""
        if chunk.campaign_id:
            await self.begin(chunk.campaign_id)
            await self._ledgers[chunk.campaign_id].before(chunk)

    async def begin(self, campaign_id: str) -> None:
        """Note, durably, that a feed of the run writes to this campaign."""
        async with self._beginning[campaign_id]:
            if campaign_id not in self._begun:
                await self._begin(campaign_id)

    async def _begin(self, campaign_id: str) -> None:
        if self._delta is None:
            self._ledgers.setdefault(campaign_id, NoLedger())
        else:
            await self._thread.call(self._take_up, self._thread.value, campaign_id, self._delta)
        await self._ledgers[campaign_id].before_first()
        self._begun.add(campaign_id)

    def _take_up(self, journal: Journal, campaign_id: str, delta: Delta) -> None:
        """Write down that a feed of the run writes to a campaign, from now on by this mapping."""
        from engine.ledger import VoidedAll, encode_change

        known = self._ledgers.get(campaign_id)
        if not isinstance(known, LedgerOfRun):
            target, key = target_of(self._settings, campaign_id), key_of_campaign(campaign_id, self._key)
            row = new_row(target, delta, key, lacks_run=self._run.number if self._done(campaign_id) else 0)
            known = self._ledgers[campaign_id] = self._ledger(row, delta, "")
        void = [encode_change(VoidedAll())] if _is_foreign(known.row, delta) else []
        row = msgspec.structs.replace(
            known.row,
            feeds=with_feed(known.row.feeds, delta, self._run),
            forgotten="",
            mapping=delta.mapping,
            digest_version=DIGEST_VERSION,
        )
        journal.put_ledger(row, void, run=self._run.number)
        known.row = row

    def changes(self, results: Sequence[ChunkResult]) -> Sequence[LedgerChanges]:
        """See `NoLedger`."""
        by_campaign: dict[str, list[ChunkResult]] = {}
        for result in results:
            if result.chunk.campaign_id:
                by_campaign.setdefault(result.chunk.campaign_id, []).append(result)
        return [
            change for campaign_id, some in by_campaign.items() for change in self._ledgers[campaign_id].changes(some)
        ]

    async def merge(self) -> None:
        """See `NoLedger`."""
        for campaign_id in sorted(self._begun):
            await self._ledgers[campaign_id].merge()

    async def campaign_is_missing(self, campaign: tuple[str, int] | None = None) -> None:
        """See `NoLedger`."""
        if campaign is not None and (ledger := self._ledgers.get(campaign[0])) is not None:
            await ledger.campaign_is_missing(campaign)

    @property
    def differing(self) -> int:
        """See `NoLedger`."""
        return sum(ledger.differing for ledger in self._ledgers.values())

    @property
    def oldest_run(self) -> int:
        """See `NoLedger`."""
        runs = [ledger.oldest_run for each, ledger in self._ledgers.items() if each in self._begun]
        return min(filter(None, runs), default=0)

    def facts(self) -> DeltaFacts:
        """See `NoLedger`."""
        if self._delta is None:
            return DeltaFacts()
        rows = [ledger.row for each in self._begun if (ledger := self.of(each)) is not None]
        return DeltaFacts(
            mode="changed",
            full=bool(self.full_reason),
            full_reason=self.full_reason or None,
            ledger_records=sum(row.records for row in rows),
        )


def _is_foreign(row: LedgerRow, delta: Delta) -> bool:
    """Whether the digests of a ledger were made with another mapping, or otherwise."""
    return row.mapping != delta.mapping or row.digest_version != DIGEST_VERSION
