"""Where ids stand in today's source, and which chunk takes them: one pass, read and cut by the code of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import structs

from engine.ledger import keys_and_digests, keys_of, pick_lines
from engine.outlets import ProgressDisplay, ProgressSnapshot
from engine.reading import Reading
from engine.run.counting import CountedSource
from engine.run.finding.found import Row
from engine.run.finding.rows_of_campaigns import NOWHERE, RowsOfCampaigns
from engine.run.job import routing_of
from engine.run.spooled import reading_for_a_look
from engine.settings import Settings
from engine.sources import STDIN, FileFingerprint, fingerprint
from engine.values import SEQ_BITS, Block, Chunk, EngineError, Place, Span, Stop, place_of

ROWS_KEPT_MAX = 20
"""So many rows of an id are listed at most; all are counted."""


@dataclass(slots=True)
class InChunk:
    """The chunk that takes a record, as a run with delta off cuts it from this source."""

    seq: int
    """As it counts in its campaign."""
    digest: bytes


@dataclass(slots=True)
class Record:
    """The last record of an id in the source."""

    place: Place
    position: int
    """How many records of its campaign were read before it: by that, chunks are named where delta is on."""
    digest: int
    """As it stands in its row, or where it is merged with earlier ones into what is sent, as that."""
    all_merged: bool = False
    """Whether all records of its id are merged into it."""
    chunk: InChunk | None = None


@dataclass(slots=True)
class Met:
    """What was met so far of an id in a campaign."""

    count: int = 0
    records: int = 0
    """How many of the rows are records."""
    rows: list[Row] = field(default_factory=list)
    """The first of all rows, and the last."""
    record: Record | None = None
    waiting: list[Place] = field(default_factory=list)
    """Where records stand whose chunk is not cut yet."""

    def add(self, row: Row) -> None:
        """Note the next row."""
        self.count += 1
        if len(self.rows) == ROWS_KEPT_MAX:
            self.rows.pop()
        self.rows.append(row)


@dataclass(slots=True)
class Survey:
    """What a pass over the source has come to."""

    met: dict[str, dict[str, Met]] = field(default_factory=dict)
    """By ids, and then by campaigns; `NOWHERE` has the rows that are for none."""
    contents: dict[str, FileFingerprint] = field(default_factory=dict)
    """What its files hold."""
    problem: str = ""
    """Why it could not be read, or not to its end; empty if it was."""


def survey_source(
    settings: Settings, ids: Sequence[str], key_of: Callable[[str], int], display: ProgressDisplay
) -> Survey:
    """Read the source once, as a sync would, and note all about these ids.

    `key_of` returns the secret of the ledger of a campaign.
    """
    if STDIN in settings.source.path:
        return Survey(problem="the source is standard input, which cannot be read again")
    rows = RowsOfCampaigns(routing_of(settings), settings.api.campaign_id)
    watch = _Watch(ids, key_of, rows)
    with ExitStack() as lent:
        try:
            reading, _ = lent.enter_context(reading_for_a_look(settings, None, whole=True))
            reading = _telling_all(reading)
            source = reading.open()
        except EngineError as error:
            return Survey(problem=f"the source was not read: {error}")
        try:
            for chunk in reading.cutting.cut(_Watched(source, Stop(), look=watch.look, display=display)):
                watch.take(chunk)
        except EngineError as error:
            return Survey(watch.met, problem=f"the source was not read to its end: {error}")
        return Survey(watch.met, fingerprint(source.sizes(), watch.contents))


def _telling_all(reading: Reading) -> Reading:
    """Have the ids of rows told that are left out."""
    spec = reading.spec
    return structs.replace(reading, spec=replace(spec, tells_filtered=bool(spec.where) and spec.id is not None))


class _Watched(CountedSource, kw_only=True):
    """A source whose blocks are looked at on their way to be cut."""

    look: Callable[[Block], None]
    display: ProgressDisplay

    def blocks(self) -> Iterator[Block]:
        started_at, size = time.monotonic(), self.size()
        for block in super().blocks():
            self.look(block)
            self.display.update(
                ProgressSnapshot(
                    elapsed_s=time.monotonic() - started_at,
                    records_read=self.records,
                    records_done=self.records,
                    source_bytes_read=self.source_bytes,
                    source_bytes_total=size,
                )
            )
            yield block


class _Watch:
    """Looks for ids, first in the blocks of a source, then in the chunks that are cut of them."""

    def __init__(self, ids: Sequence[str], key_of: Callable[[str], int], rows: RowsOfCampaigns) -> None:
        self.met: dict[str, dict[str, Met]] = {}
        self.contents: dict[str, str] = {}
        self._ids, self._key_of, self._rows = frozenset(ids), key_of, rows
        self._keys = np.frombuffer(keys_of(ids, _ANY_KEY), np.uint64)
        self._waiting: dict[str, dict[Place, str]] = {}
        """By campaigns, the ids of all records whose chunk is not cut yet, by their places."""

    def look(self, block: Block) -> None:
        """Look at the next block of the source."""
        self.contents |= block.digests
        self._rows.take(block)
        found = [each for each in self._left_out(block) if each[0] in self._ids]
        keys, _ = keys_and_digests(block.lines, len(block.ids), _ANY_KEY)
        indexes = np.flatnonzero(np.isin(np.frombuffer(keys, np.uint64), self._keys)).tolist()
        for index, line in zip(indexes, pick_lines(block.lines, indexes), strict=True):
            if block.ids[index] in self._ids:
                found.append(self._look_at_record(block, index, line))
        for record_id, campaign_id, row in sorted(found, key=lambda each: each[2].row or 0):
            self._met(record_id, campaign_id).add(row)

    def _left_out(self, block: Block) -> Iterator[tuple[str, str, Row]]:
        for refusal, campaign_id, is_skipped in self._rows.refused():
            path, row = refusal.place
            state, reason = ("filtered", "route.other leaves it out") if is_skipped else ("invalid", refusal.reason)
            whose = refusal.id or refusal.whose or ""
            yield whose, campaign_id, Row(path=path, row=row, state=state, reason=reason)
        for record_id in block.filtered_ids:
            row_left_out = Row(path=None, row=None, state="filtered", reason="source.where leaves it out")
            yield record_id, self._rows.of_left_out, row_left_out

    def _look_at_record(self, block: Block, index: int, line: bytes) -> tuple[str, str, Row]:
        record_id, place = block.ids[index], place_of(block.spans, index)
        campaign_id, position = self._rows.of_record(index)
        if not campaign_id:
            state, reason = self._rows.why_nowhere(index)
            return record_id, NOWHERE, Row(path=place.path, row=place.row, state=state, reason=reason)
        met = self._met(record_id, campaign_id)
        met.record = Record(place, position, self._digest(line, campaign_id))
        met.records += 1
        met.waiting.append(place)
        self._waiting.setdefault(campaign_id, {})[place] = record_id
        return record_id, campaign_id, Row(path=place.path, row=place.row, state="record")

    def _met(self, record_id: str, campaign_id: str) -> Met:
        return self.met.setdefault(record_id, {}).setdefault(campaign_id, Met())

    def _digest(self, line: bytes, campaign_id: str) -> int:
        """Return what stands in the ledger of a campaign for such a record."""
        _, digests = keys_and_digests(line, 1, self._key_of(campaign_id))
        return int(np.frombuffer(digests, np.uint64)[0])

    def take(self, chunk: Chunk) -> None:
        """Look at the next chunk."""
        campaign_id = chunk.campaign_id or self._rows.of_left_out
        waiting = self._waiting.get(campaign_id)
        if not waiting:
            return
        for refusal in chunk.refusals:
            if refusal.place in waiting:  # it is too large to be sent at all
                met = self.met[waiting.pop(refusal.place)][campaign_id]
                _refuse(met, refusal.place, refusal.reason)
        first = 0
        for span in chunk.spans:
            for place in _waiting_in(waiting, span):
                self._place_in_chunk(chunk, campaign_id, first + place.row - span.first_row, place)
            first += span.count

    def _place_in_chunk(self, chunk: Chunk, campaign_id: str, index: int, place: Place) -> None:
        waiting = self._waiting[campaign_id]
        met = self.met[waiting[place]][campaign_id]
        merged = met.waiting[: met.waiting.index(place) + 1]  # into this one
        del met.waiting[: len(merged)]
        for each in merged:
            waiting.pop(each, None)
        record = met.record
        if record is None or record.place != place:
            return  # a later one counts
        record.chunk = InChunk(chunk.seq & _SEQ_IN_CAMPAIGN, chunk.digest())
        if chunk.superseded:
            record.digest = self._digest(pick_lines(chunk.lines, [index])[0], campaign_id)
            record.all_merged = len(merged) == met.records


_ANY_KEY = 0
"""To look for ids, any secret will do."""

_SEQ_IN_CAMPAIGN = (1 << SEQ_BITS) - 1


def _waiting_in(waiting: Mapping[Place, str], span: Span) -> list[Place]:
    rows = range(span.first_row, span.first_row + span.count)
    if span.count < len(waiting):
        return [place for place in (Place(span.path, row) for row in rows) if place in waiting]
    return [place for place in waiting if place.path == span.path and place.row in rows]


def _refuse(met: Met, place: Place, reason: str) -> None:
    met.rows = [replace(row, state="invalid", reason=reason) if _is_at(row, place) else row for row in met.rows]
    met.records -= 1
    if met.record is not None and met.record.place == place:
        met.record = None


def _is_at(row: Row, place: Place) -> bool:
    return (row.path, row.row) == place
