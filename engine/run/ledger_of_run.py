"""The ledger as a run treats it: what its source is compared with, and what is noted of what is sent.

Three states of an id keep this true under every fault: a digest, void, and absent. An entry is void, durably, before
other values leave for its id; a digest enters only together with an acknowledgement. So whatever is not known for sure
is sent again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.reading import Comparing
from engine.report import FULL_ASKED_FOR, DeltaFacts
from engine.run.job import Delta
from engine.settings import RunSettings
from engine.state import Feed, Journal, LedgerChanges, LedgerRow, OwnThread, Run, translated
from engine.values import Chunk, ChunkResult

if TYPE_CHECKING:
    from engine.ledger import Change, Columns, Completed, Merged


def target_of(settings: RunSettings, campaign_id: str = "") -> str:
    """Return what stands for the campaign that a ledger is of, by default the only one of the settings."""
    api = settings.api
    return json.dumps([api.url, api.org_id, campaign_id or api.campaign_id])


KEY_BYTES = 8


class NoLedger:
    """What a run has that needs none: there is no ledger, and none shall be made."""

    comparing: Comparing | None = None
    """What the source is compared with."""

    def __init__(self) -> None:
        self._differing = 0

    @property
    def differing(self) -> int:
        """So many of the records that were sent are other than what was acknowledged, as far as this process knows."""
        return self._differing

    @property
    def oldest_run(self) -> int:
        """The number of the run that acknowledged the oldest entry that is good; 0 without any."""
        return 0

    async def before_first(self) -> None:
        """Note, durably, that requests leave from now on."""

    async def before(self, chunk: Chunk) -> None:
        """Note, durably, that this chunk leaves now."""

    def changes(self, results: Sequence[ChunkResult]) -> Sequence[LedgerChanges]:
        """Return what becomes of the ledger when these results are durable."""
        return ()

    async def merge(self) -> None:
        """Take what has changed into the files of the ledger."""

    async def campaign_is_missing(self, campaign: tuple[str, int] | None = None) -> None:
        """Note, durably, that the API does not know the campaign: it holds nothing of what was acknowledged.

        Of many campaigns it is this one, by its id and its number in the run.
        """

    def facts(self) -> DeltaFacts:
        """Return what is told of it."""
        return DeltaFacts()


class VoidingLedger(NoLedger):
    """That of a run which sends without looking: what it sends may be other than what the ledger knows.

    A whole source voids all of it at once (`is_whole`), a few records only theirs.
    """

    def __init__(self, row: LedgerRow, run: Run, thread: OwnThread[Journal], *, is_whole: bool) -> None:
        super().__init__()
        self._row, self._run, self._thread = row, run, thread
        self._is_whole = is_whole

    async def before_first(self) -> None:
        """See `NoLedger`."""
        from engine.ledger import VoidedAll

        if self._is_whole:
            await self._note(VoidedAll())

    async def before(self, chunk: Chunk) -> None:
        """See `NoLedger`."""
        from engine.ledger import Voided, keys_of

        if not self._is_whole and chunk.ids:
            await self._note(Voided(keys_of(chunk.ids, self._row.key)))

    async def campaign_is_missing(self, campaign: tuple[str, int] | None = None) -> None:
        """See `NoLedger`."""
        from engine.ledger import VoidedAll

        await self._note(VoidedAll())

    async def _note(self, change: Change) -> None:
        from engine.ledger import encode_change

        changes = LedgerChanges(self._row.target, [encode_change(change)])
        await self._thread.call(self._thread.value.change_ledger, changes, self._run.number)


class LedgerOfRun(VoidingLedger):
    """That of a run which sends what has changed. Made by `open_ledger`."""

    def __init__(
        self,
        row: LedgerRow,
        run: Run,
        thread: OwnThread[Journal],
        *,
        delta: Delta,
        state_dir: Path,
        full_reason: str,
    ) -> None:
        super().__init__(row, run, thread, is_whole=False)
        self.delta = delta
        self._state_dir = state_dir
        self._stem, self._ids = paths_of(row, state_dir)
        self.full_reason = full_reason
        self.comparing = Comparing(key=row.key)  # as long as nobody has looked

    @property
    def row(self) -> LedgerRow:
        """The ledger as the journal knows it."""
        return self._row

    @row.setter
    def row(self, row: LedgerRow) -> None:
        self._row = row

    @property
    def oldest_run(self) -> int:
        """See `NoLedger`."""
        return self._row.oldest_run

    def prepare(self, journal: Journal) -> None:
        """Bring the ledger up to date, and see what can be compared with it. Called in the journal's thread.

        Raises:
            StateFailed: it cannot be written.
        """
        due = self._bring_up_to_date(journal)
        if self.delta.is_full:
            self.full_reason = FULL_ASKED_FOR if self.delta.feed else _REJECTS_SENT_AGAIN
        if self._run.delta:  # it goes on: what was so when it began is told of it
            self.full_reason = self._run.delta["full_reason"]
        else:
            journal.note_delta(self._run, {"full_reason": self.full_reason})
        self.comparing = self._compared(due, self._run.read, is_full=self.delta.is_full)

    def prepare_one_of_many(self, journal: Journal, done: Mapping[int, int], *, is_full: bool) -> None:
        """As `prepare`, where the run has other campaigns beside; `done` are the chunks of this one.

        If it `is_full`, no digest is good for tonight's records.
        """
        due = self._bring_up_to_date(journal)
        self.comparing = self._compared(due, done, is_full=is_full or self.delta.is_full)

    def _bring_up_to_date(self, journal: Journal) -> tuple[int, ...]:
        """Merge what waits; return the tags of entries that are too old, and see if others are good."""
        self._merge(journal, None)
        due: tuple[int, ...] = ()
        columns = self.columns()
        if columns is not None:
            tags = enumerate(columns.header.tags)
            due = tuple(number for number, tag in tags if self._is_due(journal, tag.run))
            if sum(columns.header.tag_valid) == sum(columns.header.tag_valid[number] for number in due):
                self.full_reason = self.full_reason or _NOTHING_GOOD
        elif not self.full_reason:
            self.full_reason = "nothing was acknowledged yet"
        return due

    def _compared(self, due: tuple[int, ...], done: Mapping[int, int], *, is_full: bool) -> Comparing:
        return Comparing(
            key=self._row.key,
            stem=str(self._stem),
            generation=self._row.generation,
            ids=str(self._ids),
            is_full=is_full,
            due=due,
            done=tuple(sorted(done.items())),
        )

    def _is_due(self, journal: Journal, run: int) -> bool:
        """Whether what this run has acknowledged is sent again, for its age; a moment in the future counts as old."""
        if self.delta.full_every_s is None:
            return False
        began = journal.started_at(run)
        if began is None:
            return True
        age_s = (datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds()
        return not 0 <= age_s < self.delta.full_every_s

    def columns(self) -> Columns | None:
        """Open the files; None if there are none."""
        return columns_of(self._row, self._state_dir)

    async def before(self, chunk: Chunk) -> None:
        """See `NoLedger`."""
        from engine.ledger import Voided

        if chunk.entries is not None and chunk.entries.voids:
            self._differing += len(chunk.entries.voids) // KEY_BYTES
            await self._note(Voided(chunk.entries.voids))

    def changes(self, results: Sequence[ChunkResult]) -> Sequence[LedgerChanges]:
        """See `NoLedger`."""
        from engine.ledger import encode_change

        changes = [encode_change(change) for result in results for change in _changes_of(result)]
        return [LedgerChanges(self._row.target, changes)] if changes else []

    async def merge(self) -> None:
        """See `NoLedger`."""
        await self._thread.call(self._merge, self._thread.value, None)

    async def complete(self, completed: Completed, feed: Feed) -> None:
        """Take what has changed into the files, and that a run of a feed is complete."""
        row = msgspec.structs.replace(self._row, feeds={**self._row.feeds, self.delta.feed: feed})
        await self._thread.call(self._merge, self._thread.value, completed, row)

    def _merge(self, journal: Journal, completed: Completed | None, row: LedgerRow | None = None) -> None:
        from engine.ledger import delete_files, merge

        waiting = WaitingChanges(journal, self._row)
        if completed is None and next(iter(journal.ledger_changes(self._row.target)), None) is None:
            return
        with translated(self._stem):
            ids_bytes = self._row.ids_bytes if self._row.generation else 0
            merged = merge(
                self.columns(), waiting, stem=self._stem, ids=self._ids, ids_bytes=ids_bytes, completed=completed
            )
        self._row = with_files(row or self._row, merged)
        journal.replace_ledger(self._row, waiting.last)
        delete_files(self._stem, but=(merged.generation,))

    async def campaign_is_missing(self, campaign: tuple[str, int] | None = None) -> None:
        """See `NoLedger`."""
        await super().campaign_is_missing()
        number = campaign[1] if campaign else 0
        await self._thread.call(self._thread.value.take_back_unchanged, self._run, number)

    def facts(self) -> DeltaFacts:
        """See `NoLedger`."""
        return DeltaFacts(
            mode="changed",
            full=bool(self.full_reason),
            full_reason=self.full_reason or None,
            ledger_records=self._row.records,
        )


_REJECTS_SENT_AGAIN = "what was not accepted is sent again, whatever is known of it"
_NOTHING_GOOD = "no record is known to be on the server as it was acknowledged, or it is too long ago"


def _changes_of(result: ChunkResult) -> list[Change]:
    """Return what becomes of the entries of a chunk: what was acknowledged is good, what was not is void."""
    import numpy as np

    from engine.ledger import Acknowledged, Voided, acknowledged

    chunk, entries = result.chunk, result.chunk.entries
    if entries is None:
        return []
    keys, digests = np.frombuffer(entries.keys, np.uint64), np.frombuffer(entries.digests, np.uint64)
    begins = np.frombuffer(entries.begins, np.uint32)
    changes: list[Change] = []
    is_good = np.ones(len(keys), np.bool_)
    is_good[[failure.index for failure in result.failures]] = False
    if not is_good.all():
        changes.append(Voided(keys[~is_good].tobytes()))
    if not is_good.any():
        return changes
    good_keys, good_digests = keys[is_good].tobytes(), digests[is_good].tobytes()
    if entries.words:
        return [*changes, Acknowledged(good_keys, good_digests, entries.words, begins[is_good].tobytes())]
    new = acknowledged(good_keys, good_digests, [chunk.ids[index] for index in np.flatnonzero(is_good).tolist()])
    return [*changes, new] if new is not None else changes


def with_files(row: LedgerRow, merged: Merged) -> LedgerRow:
    """Return what the journal has to know of a ledger whose files are new."""
    header = merged.header
    valid_runs = [tag.run for tag, valid in zip(header.tags, header.tag_valid, strict=True) if valid]
    return msgspec.structs.replace(
        row,
        generation=merged.generation,
        checksum=merged.checksum,
        ids_bytes=merged.ids_bytes,
        ids_checksum=merged.ids_checksum,
        records=header.records,
        valid=header.valid,
        oldest_run=min(valid_runs, default=0),
        runs=tuple(sorted({tag.run for tag in header.tags})),
    )


class WaitingChanges:
    """What has changed about a ledger since its files were written, each change with the number of its run.

    `last` is the number of the last one that was read.
    """

    def __init__(self, journal: Journal, row: LedgerRow) -> None:
        self._journal, self._row = journal, row
        self.last = 0

    def __iter__(self) -> Iterator[tuple[int, Change]]:
        from engine.ledger import decode_change

        for number, run, change in self._journal.ledger_changes(self._row.target):
            self.last = number
            yield run, decode_change(change)


def columns_of(row: LedgerRow, state_dir: Path) -> Columns | None:
    """Open the files of a ledger; None if there are none.

    Raises:
        NotTheLedger: they are not there.
    """
    from engine.ledger import open_columns

    stem, ids = paths_of(row, state_dir)
    return open_columns(stem, row.generation, ids) if row.generation else None


def paths_of(row: LedgerRow, state_dir: Path) -> tuple[Path, Path]:
    """Return what the paths of a ledger's files begin with, and that of its ids."""
    return state_dir / row.name, state_dir / f"{row.name}.ids"
