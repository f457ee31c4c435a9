"""Blocks of any size in, chunks of the right size out. Pure.

A chunk closes at `batch_size` records or before its lines would exceed `lines_bytes_max`, whichever comes first.
Records of one id are merged, later values winning, so the ids of a chunk are pairwise different. Where the chunks
are cut depends on nothing but what the source yields and the two limits, which lets an interrupted run resume; and not
on how the source cuts its blocks, unless so much of it is refused that `REFUSALS_MAX` matters.

The ids of a source are looked at only here; a chunk that is closed keeps its lines, and what is known about its ids.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from engine.reading.open_chunk import OpenChunk, too_large
from engine.reading.recent_ids import recent_ids
from engine.reading.repeated_ids import RepeatedIds
from engine.values import Block, ByteShares, Chunk, Place, Span, cut_spans, places


class Chunker:
    """Cuts the blocks of one pass over a source into numbered chunks.

    Args:
        batch_size: how many records a chunk holds at the most.
        lines_bytes_max: how many bytes its lines are at the most, with the newlines between them.
        concurrency: with how many chunks before it the ids of each chunk are compared at least.
    """

    def __init__(self, *, batch_size: int, lines_bytes_max: int, concurrency: int = 8) -> None:
        self._batch_size = batch_size
        self._lines_bytes_max = lines_bytes_max
        self._repeated, self._repeated_told = RepeatedIds(), 0
        self._recent = recent_ids(concurrency, self._repeated)
        self._seq = 0
        self._open = OpenChunk()
        self._shares = ByteShares(0, 0)
        """The bytes of the current block."""

    def cut(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        """Yield the chunks of one whole pass over a source."""
        for block in blocks:
            yield from self.add(block)
        yield from self.finish()

    def add(self, block: Block) -> Iterator[Chunk]:
        """Take the next block of the source; yield the chunks that it completes."""
        self._open.take_notes(block)
        self._shares = ByteShares(block.source_bytes, len(block.ids))
        whole = self._whole(block)
        if whole is not None:
            yield whole
        else:
            yield from self._add_runs(block)
            self._open.source_bytes += self._shares.up_to(len(block.ids))
        if self._open.refuses_too_much(self._lines_bytes_max):
            yield self._close_open()

    def finish(self) -> Iterator[Chunk]:
        """Yield what is left at the end of the source."""
        left = self._open
        if left.lines or left.refusals or left.filtered or left.notes or left.digests:
            yield self._close_open()

    def _whole(self, block: Block) -> Chunk | None:
        """The fast path: return the block as a chunk if nothing is waiting, and it can go as it is."""
        if self._open.lines or len(block.ids) != self._batch_size or len(block.lines) > self._lines_bytes_max:
            return None
        apart_from = self._recent.take(self._seq, block.lines, block.ids, block.id_numbers)
        if apart_from is None:
            return None
        self._open.source_bytes += self._shares.up_to(len(block.ids))
        return self._close(block.lines, block.spans, len(block.ids), apart_from)

    def _add_runs(self, block: Block) -> Iterator[Chunk]:
        """Take the records as runs that just fill the open chunk; a run that can't be taken whole, one by one."""
        ids, spans = block.ids, deque(block.spans)
        lines = block.lines.split(b"\n") if ids else []
        start = 0
        while start < len(ids):
            room = self._batch_size - len(self._open.lines)
            run = slice(start, start + room)
            run_spans = _take(spans, room)
            if self._open.can_extend(ids[run], lines[run], self._lines_bytes_max):
                self._open.extend(ids[run], lines[run], run_spans)
            else:
                records = zip(ids[run], lines[run], places(run_spans), strict=True)
                for index, (record_id, line, place) in enumerate(records, start):
                    yield from self._add_record(index, record_id, line, place)
            start += room
            if len(self._open.lines) == self._batch_size:
                yield self._close_open(before=start)

    def _add_record(self, index: int, record_id: str, line: bytes, place: Place) -> Iterator[Chunk]:
        """Take the record at `index` in the current block."""
        if len(line) > self._lines_bytes_max:
            self._open.refusals.append(too_large(record_id, line, place))
            return
        if not self._open.merge(record_id, line, place, self._lines_bytes_max):
            yield self._close_open(before=index)
            self._open.merge(record_id, line, place, self._lines_bytes_max)
        if len(self._open.lines) == self._batch_size:
            yield self._close_open(before=index + 1)

    def _close_open(self, before: int = 0) -> Chunk:
        """Close the chunk that was filled, with what stands `before` this index of the current block."""
        self._open.source_bytes += self._shares.up_to(before)
        ids, lines = self._open.ids, b"\n".join(self._open.lines)
        apart_from = self._recent.take(self._seq, lines, ids)
        if apart_from is None:
            raise AssertionError("the ids of an open chunk are pairwise different")
        return self._close(lines, self._open.spans(), len(ids), apart_from)

    def _close(self, lines: bytes, spans: Sequence[Span], count: int, apart_from: int) -> Chunk:
        closed, self._open = self._open, OpenChunk()
        seq, self._seq = self._seq, self._seq + 1
        chunk = closed.closed(seq, lines, count, spans, apart_from)
        chunk.seen_before = chunk.superseded + self._repeated.count - self._repeated_told
        self._repeated_told = self._repeated.count
        return chunk


def _take(spans: deque[Span], count: int) -> list[Span]:
    """Remove the places of the first `count` records from `spans`, or as many as there are, and return them."""
    taken: list[Span] = []
    while spans and count > 0:
        span = spans.popleft()
        head, tail = cut_spans([span], count)
        taken += head
        spans.extendleft(tail)
        count -= span.count
    return taken
