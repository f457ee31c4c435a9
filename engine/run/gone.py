"""Ids that the last complete run of a feed held, and that this one, read to its proven end, holds no more.

When in doubt nobody is told to be gone. Constants leave last, in requests of their own, once the entries are void; what
is acknowledged is no more in the ledger, everything else is found again by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from engine.report import GONE_FILE, Gone
from engine.run.gone_file import GoneId, gone_lines, told_before
from engine.run.guards import GuardWords
from engine.run.job import Job
from engine.run.ledger_of_run import LedgerOfRun
from engine.run.look_alikes import doubt_about, look_alikes
from engine.run.opened_ledger import kept_since, other_feeds
from engine.settings import RunSettings, Threshold
from engine.state import Feed, Journal, LedgerChanges, OwnThread, Run, write_private_pieces
from engine.values import SEQ_BITS, Chunk, ChunkResult, JoinedLines, SourceUntrusted, counted

if TYPE_CHECKING:
    from engine.ledger import Columns, Tag
    from engine.reading import Presence

FIRST_SEQ = 1 << (SEQ_BITS - 1)
"""Chunks of constants are numbered from here on: no source has so many records."""

JUDGED_FROM = 1_000
"""A share of gone ids is judged against at least so many."""


Acknowledged = Callable[[str, Sequence[str]], Sequence[str]]
"""Returns which of some ids a campaign holds as the API has acknowledged them."""


class OneOfMany(msgspec.Struct, frozen=True):
    """A campaign of a run that has many: its id, its number, and what earlier processes have found out."""

    id: str
    number: int
    gone: Mapping[str, Any] = {}


class GoneIds:
    """Those of one run: judged once its source was read to the end, told to the API if that is wanted.

    Of a run that has many campaigns, they are those of one `campaign`.
    """

    def __init__(
        self,
        job: Job,
        settings: RunSettings,
        run: Run,
        thread: OwnThread[Journal],
        ledger: LedgerOfRun,
        campaign: OneOfMany | None = None,
    ) -> None:
        self._job, self._settings, self._run = job, settings, run
        self._campaign = campaign or OneOfMany("", 0, run.gone)
        self.campaign_id = campaign.id if campaign else run.campaign_id
        self._thread, self._ledger = thread, ledger
        self._delta = ledger.delta
        self._outcomes: dict[str, tuple[str, str]] = {}
        """What became of an id, and why: of those that the API has answered for."""
        self._listed: list[GoneId] = []
        self._moved: dict[str, tuple[str | None, str]] = {}
        """Of ids that stand under another campaign: the run that was acknowledged last of it, and that campaign."""
        self._must_wait: frozenset[str] = frozenset()
        """Those of them that the other campaign has not acknowledged yet."""
        self.counts = Gone(**self._campaign.gone)
        self.is_settled = True
        """Whether nothing is left to be told to the API."""
        self.doubt: str | None = None
        """What a person should look at before believing it."""
        self.is_judged = False
        """Whether it is known, in this process, who is gone."""
        self._held_before = self._ids_bytes_before = self._files = self._unidentified = 0
        self._feed = ledger.row.feeds[self._delta.feed]
        self._why_not: str | None = None

    async def judge(self, presence: Presence, files: int) -> SourceUntrusted | None:
        """See who is gone, after a complete run that has read so many files.

        Returns:
            The reason to stop if there are more than `guard.max_gone` allows.
        """
        await self.complete(presence, files)
        error = await self.look()
        if self.must_be_told:  # once they are told, the ledger knows them no more
            await self._thread.call(self.write, self._thread.value.run_dir(self._run.id))
        return error

    async def complete(self, presence: Presence, files: int) -> None:
        """Note in the ledger that the run is complete, and has read so many files."""
        from engine.ledger import Completed

        ledger, delta = self._ledger, self._delta
        columns, feed = ledger.columns(), ledger.row.feeds[delta.feed]
        self._held_before = 0
        if columns is not None:
            tags = zip(columns.header.tags, columns.header.tag_records, strict=True)
            self._held_before = sum(records for tag, records in tags if self._held_it_before(tag, feed))
            await self._thread.call(self._note_moved, presence, columns)
        others = other_feeds(ledger.row, delta, self._settings.state.keep_days)
        self._why_not = self._why_not_judged(feed, others)
        moved = [entry for some in presence.moved.values() for entry in memoryview(some).cast("q")]
        completed = Completed(
            feed=feed.bit if delta.holds == "portfolio" else 0,
            run=self._run.number,
            seen=presence.seen,
            others=sum(other.bit for other in others.values()),
            keep_since=await self._keep_since(),
            moved=tuple(sorted(moved)) if delta.moved == "report" else (),
        )
        # Whom a ledger that was lost on the way had taken in is not known: the next run has nothing to compare with.
        complete_run = 0 if ledger.row.lacks_run == self._run.number else self._run.number
        now = Feed(
            bit=feed.bit, holds=delta.holds, last_run_at=feed.last_run_at, complete_run=complete_run, files=files
        )
        self._ids_bytes_before = ledger.row.ids_bytes
        self._feed, self._files, self._unidentified = feed, files, presence.unidentified
        await ledger.complete(completed, now)

    async def look(self, acknowledged: Acknowledged | None = None) -> SourceUntrusted | None:
        """See who is gone, once the run is complete in all campaigns; as `judge`.

        `acknowledged` tells which of some ids another campaign holds as the API has acknowledged them.
        """
        self.is_judged = True
        before = self.counts
        if self._why_not:
            # What an earlier process of the run has found and told stays counted: the ledger may have been lost since.
            self.counts, self._moved = replace(before, skipped=self._why_not), {}
            await self._note()
            return None
        self._listed = await self._thread.call(self._list, self._feed.bit)
        self.doubt = await self._thread.call(self._look_alikes, self._ids_bytes_before)
        if acknowledged is not None:
            self._must_wait = await self._thread.call(self._not_acknowledged, acknowledged)
        self.counts = Gone(
            found=len(self._listed) + before.updated,
            new=before.new or sum(each.is_new and each.id not in self._moved for each in self._listed),
            moved=max(before.moved, len(self._moved)),
            updated=before.updated,
            pending=len(self._listed),
        )
        error = self._withhold()
        await self._note()
        return error

    def _note_moved(self, presence: Presence, columns: Columns) -> None:
        """Take note of who has moved. Called in the journal's thread."""
        runs = {tag.run: self._thread.value.run_id(tag.run) for tag in columns.header.tags} if presence.moved else {}
        for campaign_id, entries in presence.moved.items():
            for entry in memoryview(entries).cast("q"):
                run = runs[columns.header.tags[columns.tags[entry]].run]
                self._moved[columns.id(entry)] = run, campaign_id

    def _not_acknowledged(self, acknowledged: Acknowledged) -> frozenset[str]:
        """Return who has moved to where the API has not acknowledged them yet. Called in the journal's thread."""
        listed = [each.id for each in self._listed if each.id in self._moved]
        by_campaign: dict[str, list[str]] = {}
        for record_id in listed:
            by_campaign.setdefault(self._moved[record_id][1], []).append(record_id)
        there = {record_id for campaign, ids in by_campaign.items() for record_id in acknowledged(campaign, ids)}
        return frozenset(listed) - there

    def _held_it_before(self, tag: Tag, feed: Feed) -> bool:
        """Whether the feed held it in its last complete run; an earlier process of this run may have judged it."""
        return bool(tag.held_by & feed.bit) or (tag.gone_since == self._run.number and tag.gone_from == feed.bit)

    def _why_not_judged(self, feed: Feed, others: Mapping[str, Feed]) -> str | None:
        delta = self._delta
        if delta.gone == "ignore":
            return 'delta.gone is "ignore"'
        if delta.holds != "portfolio":
            return f'source.holds is "{delta.holds}"'
        if not feed.complete_run:
            return f"this is the first complete run of the feed {delta.feed!r}"
        if others:
            return f"another feed holds a portfolio of this campaign, too: {next(iter(others))!r}"
        return None

    async def _keep_since(self) -> int:
        """Return the first run since which an id may have been gone that is still of interest."""
        if self._delta.gone == "send":
            return 0
        since = kept_since(self._settings.state.keep_days)
        return await self._thread.call(self._thread.value.first_run_since, since)

    def _list(self, bit: int) -> list[GoneId]:
        """Return who is gone from a feed. Called in the journal's thread."""
        import numpy as np

        columns = self._ledger.columns()
        if columns is None:
            return []
        tags = columns.header.tags
        is_gone = np.array([tag.gone_since != 0 and tag.gone_from == bit for tag in tags], np.bool_)
        runs = {tag.run: self._thread.value.run_id(tag.run) for tag in tags}
        found = []
        for entry in np.flatnonzero(is_gone[columns.tags]).tolist():
            tag = tags[columns.tags[entry]]
            found.append(GoneId(columns.id(entry), runs[tag.run], tag.gone_since == self._run.number))
        return found

    def _look_alikes(self, ids_bytes_before: int) -> str | None:
        """Say it if some who are newly gone look like new ids. Called in the journal's thread."""
        columns = self._ledger.columns()
        if columns is None:
            return None
        gone = (each.id for each in self._listed if each.is_new)
        return doubt_about(look_alikes(columns, self._ledger.row.key, gone, new_from_byte=ids_bytes_before))

    def _withhold(self) -> SourceUntrusted | None:
        """See whether constants may leave; say why not, which is an error if there are too many gone."""
        if self._delta.gone != "send" or not self._listed:
            return None
        found, held_before = self.counts.found - self.counts.moved, self._held_before
        if self._unidentified:
            have = "has" if self._unidentified == 1 else "have"
            why = f"{counted(self._unidentified, 'row')} {have} no id that can be read: anybody's could be among them"
        elif self._files < self._feed.files:
            why = f"the source has {self._files} files, and had {self._feed.files} in the last complete run"
        elif _exceeded(self._delta.max_gone, found, held_before):
            words = GuardWords(self._job.kind)
            why = f"{found:,} ids are gone, more than {words.named('max_gone', self._delta.max_gone)} allows"
            self.counts = replace(self.counts, skipped=why)
            self.is_settled = False
            return SourceUntrusted(
                f"{found:,} of the {counted(held_before, 'id')} that this feed held last time are gone, more than "
                f"{words.named('max_gone', self._delta.max_gone)} allows: nothing was sent to them; look at "
                f"{GONE_FILE}, then {words.again} to go on, with a higher limit for this run: "
                f"{words.override('max_gone', '100%')}"
            )
        else:
            self.is_settled = False
            return None
        self.counts = replace(self.counts, skipped=why)
        return None

    @property
    def must_be_told(self) -> bool:
        """Whether constants are to be sent now."""
        return not self.is_settled and self.counts.skipped is None

    def chunks(self, batch_size: int, lines_bytes_max: int) -> Iterator[Chunk]:
        """Yield the constants for all who are gone, in chunks."""
        data = orjson.dumps(dict(self._delta.constants))
        lines: list[bytes] = []
        ids: list[str] = []
        size = 0
        number = 0
        first_seq = (self._campaign.number << SEQ_BITS) + FIRST_SEQ
        for record_id in (each.id for each in self._listed if each.id not in self._must_wait):
            line = b'{"id":%b,"data":%b}' % (orjson.dumps(record_id), data)
            if lines and (len(lines) == batch_size or size + len(line) + 1 > lines_bytes_max):
                joined = JoinedLines(b"\n".join(lines))
                yield Chunk(first_seq + number, ids, joined, (), campaign_id=self._campaign.id)
                number, lines, ids, size = number + 1, [], [], 0
            lines.append(line)
            ids.append(record_id)
            size += len(line) + 1
        if lines:
            joined = JoinedLines(b"\n".join(lines))
            yield Chunk(first_seq + number, ids, joined, (), campaign_id=self._campaign.id)

    async def record(self, results: Sequence[ChunkResult]) -> None:
        """Make durable what became of some who are gone."""
        from engine.ledger import encode_change, keys_of, removed

        told: list[str] = []
        for result in results:
            ids = result.chunk.ids
            failed = {failure.index: failure for failure in result.failures}
            for index, failure in failed.items():
                self._outcomes[ids[index]] = (str(failure.outcome), failure.reason)
            told += [record_id for index, record_id in enumerate(ids) if index not in failed]
        self._outcomes |= dict.fromkeys(told, ("updated", ""))
        counts = asdict(self.counts)
        for outcome, count in _sums(results).items():
            counts[outcome] += count
            counts["pending"] -= count
        self.counts = Gone(**counts)
        row = self._ledger.row
        changes = LedgerChanges(row.target, [encode_change(removed(keys_of(told, row.key), told))] if told else [])
        await self._note(changes, told)

    def settled(self) -> None:
        """Note that all of them were told, or refused."""
        self.is_settled = True

    async def _note(self, changes: LedgerChanges | None = None, over: Sequence[str] = ()) -> None:
        over = [each.id for each in self._listed] if changes is None else over
        note, counts = self._thread.value.note_gone, asdict(self.counts)
        await self._thread.call(note, self._run, counts, changes, over, self._campaign.id)

    def write(self, run_dir: Path) -> None:
        """Write down who is gone, one object a line; nothing where nobody was judged.

        Raises:
            StateFailed: it cannot be written.
        """
        path = run_dir / GONE_FILE
        if self.counts.found or path.exists():
            write_private_pieces(path, self.lines(told_before(path)))

    def lines(self, before: Mapping[tuple[str, str], bytes]) -> Iterator[bytes]:
        """Yield the lines of that file; `before` has those that an earlier process has written, by campaign and id."""
        own = {record_id: told for (campaign_id, record_id), told in before.items() if campaign_id == self.campaign_id}
        if self._why_not:  # nobody can say now who of them was told
            return (told + b"\n" for told in own.values())
        return gone_lines(self.campaign_id, self._listed, self._moved, self._outcomes, own)


def _sums(results: Sequence[ChunkResult]) -> dict[str, int]:
    """Return how many were told, refused and left unproven."""
    sums = {"updated": 0, "rejected": 0, "unknown": 0}
    for result in results:
        for name in sums:
            sums[name] += getattr(result.counts, name)
    return sums


def _exceeded(limit: Threshold, found: int, held: int) -> bool:
    return limit.exceeded(found, max(held, JUDGED_FROM))
