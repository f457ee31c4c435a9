"""What a sync with delta would send, and who would be gone: found out by the code of a run, on a copy of the state.

Nothing in the state directory is written to. The copy takes as much room in the temporary directory as the ledger does.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from engine.pipeline import CampaignAccounts, RefusedCampaigns
from engine.report import Gone, iso, new_run_id
from engine.run.gone import GoneIds
from engine.run.gone_of_campaigns import GoneOfCampaigns
from engine.run.job import Job, delta_of
from engine.run.ledger_of_run import LedgerOfRun, paths_of, target_of
from engine.run.routed_ledgers import RoutedLedgers, open_ledgers
from engine.settings import Settings
from engine.sources import Source
from engine.state import CampaignRow, Journal, OwnThread, Run, SqliteJournal, journal_copy, translated
from engine.values import SEQ_BITS, Chunk, RequestCounts, SourceUntrusted

if TYPE_CHECKING:
    from engine.ledger import Columns
    from engine.reading import Comparing, Presence

P = ParamSpec("P")
R = TypeVar("R")

NEW, CHANGED, UNPROVEN, SAME = "new", "changed", "unproven", "same"


class Preview:
    """A run that is not begun: its comparison, and what it would come to."""

    def __init__(
        self,
        job: Job,
        settings: Settings,
        run: Run,
        thread: OwnThread[Journal],
        ledger: LedgerOfRun | RoutedLedgers,
    ) -> None:
        self._job, self._ledger, self._run, self._journal = job, ledger, run, thread.value
        self._campaigns: dict[str, CampaignAccounts] = {}
        self._refused = RefusedCampaigns()
        self._gone: GoneIds | GoneOfCampaigns | None = None
        self._columns: dict[str, Columns | None] = {}
        if isinstance(ledger, RoutedLedgers):
            gone = GoneOfCampaigns(job, settings, run, thread, ledger, self._campaigns, self._refused)
            self._gone = gone if job.limit is None else None
        else:
            self._gone = GoneIds(job, settings, run, thread, ledger) if job.limit is None else None
            self._columns[""] = ledger.columns()
        self.counts: Counter[str] = Counter()
        """Records that would be sent: `new` ids; `changed` ones; those whose values are `unproven`, because the API
        has not acknowledged them; and those that are the `same`, but are sent again."""

    @property
    def comparing(self) -> Comparing | None:
        """What the source is compared with."""
        return self._ledger.comparing

    @property
    def full_reason(self) -> str | None:
        """Why everything would be sent; None if it would not."""
        return self._ledger.facts().full_reason

    def add(self, chunk: Chunk) -> None:
        """Count the records of a chunk."""
        import numpy as np

        from engine.ledger import find

        if chunk.campaign_id:
            self._of_campaign(chunk).read += chunk.read
        if chunk.entries is None:
            return
        keys, digests = (np.frombuffer(each, np.uint64) for each in (chunk.entries.keys, chunk.entries.digests))
        columns = self._columns[chunk.campaign_id]
        if columns is None:
            self.counts[NEW] += len(keys)
            return
        entries = find(columns, keys)
        known = columns.digests[entries[entries >= 0]]
        is_same = known == digests[entries >= 0]
        self.counts[NEW] += int((entries < 0).sum())
        self.counts[UNPROVEN] += int((known == 0).sum())
        self.counts[SAME] += int(is_same.sum())
        self.counts[CHANGED] += int((~is_same & (known != 0)).sum())

    def _of_campaign(self, chunk: Chunk) -> CampaignAccounts:
        """Return the accounts of a campaign; its ledger is looked up once it is met."""
        if chunk.campaign_id not in self._campaigns and isinstance(self._ledger, RoutedLedgers):
            ledger = self._ledger.known(chunk.campaign_id)
            self._columns[chunk.campaign_id] = ledger.columns() if ledger is not None else None
            self._campaigns[chunk.campaign_id] = CampaignAccounts(chunk.seq >> SEQ_BITS)
        return self._campaigns[chunk.campaign_id]

    def judge(self, presence: Presence | None, source: Source) -> tuple[Gone, SourceUntrusted | None]:
        """Return who would be gone, once all was read, and why a sync would not tell them, if that were an error."""
        if self._gone is None:
            return Gone(skipped="only the first records were read (--limit)"), None
        if presence is None:
            raise RuntimeError("the source was not read to its end")
        rows = [CampaignRow(each, known.number, RequestCounts()) for each, known in self._campaigns.items()]
        self._journal.save(self._run, worked_s=0.0, requests=RequestCounts(), telemetry={}, campaigns=rows)
        error = asyncio.run(self._gone.judge(presence, len(source.sizes())))
        too_many = next(iter(self._refused.errors.values()), None)
        return self._gone.counts, too_many if isinstance(too_many, SourceUntrusted) else error


@contextmanager
def preview(settings: Settings, source: Source, *, full: bool, limit: int | None) -> Iterator[Preview | None]:
    """Prepare the comparison of a source with the ledger as a sync does; None with delta off.

    Raises:
        StateFailed: the state can't be read, or not be copied.
    """
    delta = delta_of(settings, full=full)
    if delta is None:
        yield None
        return
    with journal_copy(settings.state.dir) as journal:
        _link_ledger(journal, settings)
        state = settings.state.changed(dir=journal.dir)
        there = settings.changed(state=state)
        now = datetime.now(UTC)
        run = Run(new_run_id(now, Random()), "sync", settings.api.campaign_id, iso(now), {})  # noqa: S311 - no secret
        journal.begin(run)
        job = Job("sync", source, lambda: iter(()), {}, limit=limit, delta=delta)
        thread = cast("OwnThread[Journal]", _ThisThread(journal))
        ledger = open_ledgers(job, there, run, thread)
        if not isinstance(ledger, LedgerOfRun | RoutedLedgers):
            raise RuntimeError("with delta, there is a ledger")
        yield Preview(job, there, run, thread, ledger)


def _link_ledger(journal: SqliteJournal, settings: Settings) -> None:
    """Let the copy of the journal find the files of the ledger: they are not changed, but for that of the ids."""
    is_routed = settings.route.column is not None
    rows = journal.ledgers() if is_routed else filter(None, [journal.ledger(target_of(settings))])
    for row in rows:
        stem, ids = paths_of(row, settings.state.dir)
        with translated(stem):
            for path in stem.parent.glob(f"{stem.name}-*"):
                (journal.dir / path.name).symlink_to(path.resolve())
            if ids.exists():
                shutil.copyfile(ids, journal.dir / ids.name)


class _ThisThread:
    """Stands for the journal's own thread where nobody is kept waiting by it."""

    def __init__(self, value: Journal) -> None:
        self.value = value

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)
