"""Where ids stand in today's source, and which chunk takes them: one pass, read and cut by the code of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import structs

from engine.ledger import keys_and_digests, keys_of, pick_lines
from engine.outlets import ProgressDisplay, ProgressSnapshot
from engine.reading import Reading
from engine.run.counting import CountedSource
from engine.run.finding.found import Row
from engine.run.spooled import reading_for_a_look
from engine.settings import Settings
from engine.sources import STDIN, FileFingerprint, fingerprint
from engine.values import Block, Chunk, EngineError, Place, Span, Stop, place_of

ROWS_KEPT_MAX = 20
"""So many rows of an id are listed at most; all are counted."""


@dataclass(slots=True)
class InChunk:
    """The chunk that takes a record, as a run with delta off cuts it from this source."""

    seq: int
    digest: bytes


@dataclass(slots=True)
class Record:
    """The last record of an id in the source."""

    place: Place
    position: int
    """How many records were read before it: by that, chunks are named where delta is on."""
    digest: int
    """As it stands in its row, or where it is merged with earlier ones into what is sent, as that."""
    all_merged: bool = False
    """Whether all records of its id are merged into it."""
    chunk: InChunk | None = None


@dataclass(slots=True)
class Met:
    """What was met of an id so far."""

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

    met: dict[str, Met] = field(default_factory=dict)
    contents: dict[str, FileFingerprint] = field(default_factory=dict)
    """What its files hold."""
    problem: str = ""
    """Why it could not be read, or not to its end; empty if it was."""


def survey_source(settings: Settings, ids: Sequence[str], key: int, display: ProgressDisplay) -> Survey:
    """Read the source once, as a sync would, and note all about these ids. `key` is the secret of the ledger."""
    if STDIN in settings.source.path:
        return Survey(problem="the source is standard input, which cannot be read again")
    watch = _Watch(ids, key)
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

    def __init__(self, ids: Sequence[str], key: int) -> None:
        self.met: dict[str, Met] = {}
        self.contents: dict[str, str] = {}
        self._ids, self._key = frozenset(ids), key
        self._keys = np.frombuffer(keys_of(ids, key), np.uint64)
        self._position = 0
        self._waiting: dict[Place, str] = {}
        """The ids of all records whose chunk is not cut yet, by their places."""

    def look(self, block: Block) -> None:
        """Look at the next block of the source."""
        self.contents |= block.digests
        self._position += len(block.refusals)  # as chunks count: refusals of a block come before its records
        rows = [(each, row) for each, row in self._left_out(block) if each in self._ids]
        keys, digests = keys_and_digests(block.lines, len(block.ids), self._key)
        all_digests = np.frombuffer(digests, np.uint64)
        for index in np.flatnonzero(np.isin(np.frombuffer(keys, np.uint64), self._keys)).tolist():
            record_id = block.ids[index]
            if record_id in self._ids:
                place = place_of(block.spans, index)
                rows.append((record_id, Row(path=place.path, row=place.row, state="record")))
                met = self.met.setdefault(record_id, Met())
                met.record = Record(place, self._position + index, int(all_digests[index]))
                met.records += 1
                met.waiting.append(place)
                self._waiting[place] = record_id
        for record_id, row in sorted(rows, key=lambda each: each[1].row or 0):
            self.met.setdefault(record_id, Met()).add(row)
        self._position += len(block.ids)

    def _left_out(self, block: Block) -> Iterator[tuple[str, Row]]:
        for refusal in block.refusals:
            path, row = refusal.place
            yield refusal.id or refusal.whose or "", Row(path=path, row=row, state="invalid", reason=refusal.reason)
        for record_id in block.filtered_ids:
            yield record_id, Row(path=None, row=None, state="filtered", reason="source.where leaves it out")

    def take(self, chunk: Chunk) -> None:
        """Look at the next chunk."""
        if not self._waiting:
            return
        for refusal in chunk.refusals:
            if refusal.place in self._waiting:  # it is too large to be sent at all
                self._refuse(refusal.place, refusal.reason)
        first = 0
        for span in chunk.spans:
            for place in self._waiting_in(span):
                self._place_in_chunk(chunk, first + place.row - span.first_row, place)
            first += span.count

    def _waiting_in(self, span: Span) -> list[Place]:
        rows = range(span.first_row, span.first_row + span.count)
        if span.count < len(self._waiting):
            return [place for place in (Place(span.path, row) for row in rows) if place in self._waiting]
        return [place for place in self._waiting if place.path == span.path and place.row in rows]

    def _refuse(self, place: Place, reason: str) -> None:
        met = self.met[self._waiting.pop(place)]
        met.rows = [replace(row, state="invalid", reason=reason) if _is_at(row, place) else row for row in met.rows]
        met.records -= 1
        if met.record is not None and met.record.place == place:
            met.record = None

    def _place_in_chunk(self, chunk: Chunk, index: int, place: Place) -> None:
        met = self.met[self._waiting[place]]
        merged = met.waiting[: met.waiting.index(place) + 1]  # into this one
        del met.waiting[: len(merged)]
        for each in merged:
            self._waiting.pop(each, None)
        record = met.record
        if record is None or record.place != place:
            return  # a later one counts
        record.chunk = InChunk(chunk.seq, chunk.digest())
        if chunk.superseded:
            _, digests = keys_and_digests(pick_lines(chunk.lines, [index])[0], 1, self._key)
            record.digest = int(np.frombuffer(digests, np.uint64)[0])
            record.all_merged = len(merged) == met.records


def _is_at(row: Row, place: Place) -> bool:
    return (row.path, row.row) == place
