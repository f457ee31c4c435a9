"""Ids that are gone from the campaigns of a run that has many: each is judged alone, against its own ledger.

A campaign without a single row is not judged, nor is one that is refused. An id that stands under another campaign has
moved: where it came from, it is told so only once the other campaign has acknowledged it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

from engine.pipeline import CampaignAccounts, RefusedCampaigns
from engine.report import GONE_FILE, Gone
from engine.run.gone import GoneIds, OneOfMany
from engine.run.gone_file import told_before
from engine.run.job import Job
from engine.run.routed_ledgers import RoutedLedgers
from engine.settings import RunSettings
from engine.state import Journal, OwnThread, Run, write_private_pieces
from engine.values import Chunk, ChunkResult, counted

if TYPE_CHECKING:
    from engine.reading import Presence

EXAMPLES_MAX = 3
"""So many campaigns are named at most."""


class GoneOfCampaigns:
    """Those of one run; used as `GoneIds` is. `accounts` are of its campaigns, `refused` takes nothing more."""

    def __init__(
        self,
        job: Job,
        settings: RunSettings,
        run: Run,
        thread: OwnThread[Journal],
        ledgers: RoutedLedgers,
        accounts: Mapping[str, CampaignAccounts],
        refused: RefusedCampaigns,
    ) -> None:
        self._job, self._settings, self._run, self._thread = job, settings, run, thread
        self._ledgers, self._accounts, self._refused = ledgers, accounts, refused
        self._judged: dict[str, GoneIds] = {}
        self._not_met: list[str] = []
        """Campaigns of which the source has held records before, and has no row now."""
        self.is_judged = False
        """Whether it is known, in this process, who is gone."""

    async def judge(self, presence: Presence, files: int) -> None:
        """See who is gone, after a run that has read so many files; too many of them end the part of their campaign."""
        for campaign_id, each in list(self._accounts.items()):
            if not each.read or campaign_id in self._refused.errors:
                continue
            await self._ledgers.begin(campaign_id)  # an earlier process of the run may have sent all of it
            ledger, there = self._ledgers.of(campaign_id), presence.campaigns.get(campaign_id)
            if ledger is None or there is None:
                continue
            known = self._run.campaigns.get(campaign_id)
            campaign = OneOfMany(campaign_id, each.number, known.gone if known else {})
            judged = GoneIds(self._job, self._settings, self._run, self._thread, ledger, campaign)
            await judged.complete(there, files)
            self._judged[campaign_id] = judged
        for campaign_id, judged in self._judged.items():
            error = await judged.look(self._acknowledged)
            if error is not None:
                self._refused.end(campaign_id, type(error)(f"campaign {campaign_id}: {error}"))
        with_rows = {campaign_id for campaign_id, each in self._accounts.items() if each.read}
        self._not_met = [
            each for each in self._ledgers.not_met(self._settings.state.keep_days) if each not in with_rows
        ]
        self.is_judged = True
        if self.must_be_told:  # once they are told, the ledgers know them no more
            await self._thread.call(self.write, self._thread.value.run_dir(self._run.id))

    def _acknowledged(self, campaign_id: str, ids: Sequence[str]) -> Sequence[str]:
        """Return which of some ids a campaign holds as acknowledged. Called in the journal's thread."""
        import numpy as np

        from engine.ledger import digests_of_entries, find_ids, keys_of

        ledger = self._ledgers.of(campaign_id)
        columns = ledger.columns() if ledger is not None and campaign_id in self._judged else None
        if ledger is None or columns is None:
            return []
        entries = find_ids(columns, np.frombuffer(keys_of(ids, ledger.row.key), np.uint64), ids)
        is_good = digests_of_entries(columns, entries) != 0
        return [ids[index] for index in np.flatnonzero(is_good).tolist()]

    def of(self, campaign_id: str) -> Gone:
        """Return what became of the ids of a campaign."""
        if campaign_id in self._judged:
            return self._judged[campaign_id].counts
        known = self._run.campaigns.get(campaign_id)
        if known is not None and known.gone:
            return Gone(**known.gone)
        refused = campaign_id in self._refused.errors
        return Gone(skipped="the campaign takes nothing" if refused else "the run is not complete")

    @property
    def counts(self) -> Gone:
        """The sums over all campaigns. What was skipped is said of all of them; else each campaign says its own.

        A campaign without a row has no say: it is told of where nobody is gone from the others.
        """
        every = list(map(self.of, list(self._accounts)))
        total = reduce(add, every, Gone())
        if not all(gone.skipped for gone in every):
            return replace(total, skipped=None if total.found else self._without_a_row())
        judged = (each.counts.skipped for each in self._judged.values())
        return replace(total, skipped=next(judged, total.skipped))

    @property
    def doubt(self) -> str | None:
        """What a person should look at before believing it."""
        found = [judged.doubt for judged in self._judged.values()]
        return next(filter(None, [*found, self._without_a_row()]), None)

    def _without_a_row(self) -> str | None:
        """Say which campaigns are missing from the source, so that nobody could be judged there; None if none is."""
        delta = self._job.delta
        if not self._not_met or delta is None or delta.gone == "ignore" or delta.holds != "portfolio":
            return None
        some = ", ".join(self._not_met[:EXAMPLES_MAX]) + (", …" if len(self._not_met) > EXAMPLES_MAX else "")
        number = counted(len(self._not_met), "campaign")
        return f"the source has no row for {number} that it held before ({some}): nobody is judged to be gone there"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be told to the API."""
        return all(judged.is_settled for judged in self._judged.values())

    @property
    def must_be_told(self) -> bool:
        """Whether constants are to be sent now."""
        return any(judged.must_be_told for judged in self._judged.values())

    def chunks(self, batch_size: int, lines_bytes_max: int) -> Iterator[Chunk]:
        """Yield the constants for all who are gone, in chunks."""
        for judged in self._judged.values():
            if judged.must_be_told:
                yield from judged.chunks(batch_size, lines_bytes_max)

    async def record(self, results: Sequence[ChunkResult]) -> None:
        """Make durable what became of some who are gone."""
        for campaign_id in dict.fromkeys(result.chunk.campaign_id for result in results):
            some = [result for result in results if result.chunk.campaign_id == campaign_id]
            await self._judged[campaign_id].record(some)

    def settled(self) -> None:
        """Note that all of them were told, or refused; but not where the campaign takes nothing more."""
        for campaign_id, judged in self._judged.items():
            if judged.must_be_told and campaign_id not in self._refused.errors:
                judged.settled()

    def write(self, run_dir: Path) -> None:
        """Write down who is gone, one object a line; nothing where nobody was judged.

        Raises:
            StateFailed: it cannot be written.
        """
        path = run_dir / GONE_FILE
        counts = self.counts
        if counts.found or counts.moved or path.exists():
            before = told_before(path)
            write_private_pieces(path, (line for judged in self._judged.values() for line in judged.lines(before)))
