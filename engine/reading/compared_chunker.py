"""Blocks in, chunks of what has to be sent out: what the ledger knows to be on the server is only counted.

A chunk accounts for consecutive records of the source, of which it holds those that have changed; so it may stand for
millions. Where chunks are cut depends on the ledger, which an interrupted run finds changed. So a chunk is named by how
many records were read before it, and a resumed run passes over what was settled, and cuts what lies between anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
import xxhash

from engine.ledger import pick_lines
from engine.reading.comparing import Comparing
from engine.reading.comparison import Comparison, Indexes, KeysOfCampaigns, Looked, Numbers
from engine.reading.open_chunk import OpenChunk, too_large
from engine.reading.recent_ids import RecentIds, recent_ids
from engine.reading.repeated_ids import RepeatedIds
from engine.values import Block, ByteShares, Chunk, JoinedLines, LineIds, Place, Span, place_of, places

UNCHANGED_MAX = 200_000
"""A chunk in which nothing has changed accounts for not many more records, so that something is seen to be done."""


class OneOfMany(msgspec.Struct, frozen=True):
    """What a campaign among many has of its own, and what it shares with the others."""

    campaign_id: str
    first_seq: int
    recent: RecentIds
    repeated: RepeatedIds
    keys: KeysOfCampaigns


class ComparedChunker:
    """Cuts one pass over a source, compared with the ledger; `batch_size` and the others are as those of `Chunker`."""

    def __init__(
        self,
        comparing: Comparing,
        *,
        batch_size: int,
        lines_bytes_max: int,
        concurrency: int = 8,
        one_of_many: OneOfMany | None = None,
    ) -> None:
        self.comparison = Comparison(comparing, one_of_many.keys if one_of_many else None)
        self._batch_size = batch_size
        self._lines_bytes_max = lines_bytes_max
        self._recent = one_of_many.recent if one_of_many else recent_ids(concurrency)
        self._repeated = one_of_many.repeated if one_of_many else RepeatedIds()
        self._campaign_id = one_of_many.campaign_id if one_of_many else ""
        self._first_seq = one_of_many.first_seq if one_of_many else 0
        self._repeats = 0
        """So many ids have come again since the last chunk."""
        self._borders = [at for start, count in reversed(comparing.done) if count for at in (start + count, start)]
        self._is_done = False
        self._first = 0
        """How many records were read before the current block's first one; refusals count, and come before."""
        self._block = _NO_BLOCK
        self._shares = ByteShares(0, 0)
        """The bytes of the current block."""
        self._open = _OpenSpan(0)
        self._unchanged_line = b""
        """The first record that needed no update."""

    def cut(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        """Yield the chunks of one whole pass over a source."""
        for block in blocks:
            yield from self.add(block)
        if not self.is_empty:
            yield self.close()

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of lines wait to be sent."""
        return self._open.chunk.joined_bytes

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return self._open.is_empty(self._end)

    def close(self) -> Chunk:
        """Close what waits as a chunk: it accounts for all that was read so far."""
        return self._close(self._end)

    @property
    def _end(self) -> int:
        """How many records were read up to the end of the current block."""
        return self._first + len(self._block.digests)

    def add(self, block: Block) -> Iterator[Chunk]:
        """Take the next block: of what lies between the borders, either nothing, or what has to be sent."""
        looked, count = self.comparison.look(block), len(block.ids)
        yield from self._cross(self._end)
        self._repeats += self._repeated.add(looked.keys.tobytes())
        self._first = self._end + len(block.refusals)
        self._block = looked
        self._shares = ByteShares(block.source_bytes, count)
        self._open.take_notes(block)
        index = 0
        while index < count:
            yield from self._cross(self._first + index)
            stop = min(count, self._borders[-1] - self._first) if self._borders else count
            if self._is_done:
                self.comparison.skip(looked, index, stop)
            else:
                yield from self._take(block, looked, index, stop)
            index = stop
        self._open.hash_up_to(looked, count)
        self._open.chunk.source_bytes += self._shares.up_to(count)
        yield from self._cross(self._end)
        if not self._is_done and self._open.is_full(self._lines_bytes_max, self._end):
            yield self._close(self._end)

    def _cross(self, position: int) -> Iterator[Chunk]:
        """Close what is open at a border of what earlier processes have settled."""
        while self._borders and self._borders[-1] == position:
            self._borders.pop()
            if position > self._open.start:
                yield self._close(position)
            self._is_done = not self._is_done

    def _take(self, block: Block, looked: Looked, start: int, stop: int) -> Iterator[Chunk]:
        """Take some records of a block, as far as they have to be sent."""
        wanted = self.comparison.wanted(looked, start, stop)
        if not self._unchanged_line and len(wanted) < stop - start:
            [self._unchanged_line] = pick_lines(block.lines, [_first_lacking(wanted, start)])
        if not len(wanted):
            return
        if len(wanted) == self._batch_size and (whole := self._whole(block, looked)) is not None:
            yield whole
            return
        lines = pick_lines(block.lines, wanted)
        ids = LineIds(JoinedLines(b"\n".join(lines)), len(lines))
        spans = _picked_spans(block.spans, wanted, len(block.ids))
        begin = 0
        while begin < len(wanted):
            end = min(len(wanted), begin + self._batch_size - len(self._open.chunk.lines))
            run = slice(begin, end)
            if self._open.chunk.can_extend(ids[run], lines[run], self._lines_bytes_max):
                self._open.extend(looked, wanted[run], ids[run], lines[run], spans[run])
            else:
                for index, id_, line, span in zip(wanted[run].tolist(), ids[run], lines[run], spans[run], strict=True):
                    yield from self._take_record(looked, index, id_, line, Place(span.path, span.first_row))
            begin = end
            if len(self._open.chunk.lines) == self._batch_size:
                yield self._close(self._first + int(wanted[end - 1]) + 1)

    def _whole(self, block: Block, looked: Looked) -> Chunk | None:
        """The fast path: close the block as a chunk if nothing is waiting, and it can go as it is."""
        if self._open.chunk.lines or len(block.ids) != self._batch_size or len(block.lines) > self._lines_bytes_max:
            return None
        apart_from = self._recent.take(
            self._first_seq + self._open.start, block.lines, block.ids, looked.keys.tobytes()
        )
        if apart_from is None:
            return None
        self._open.note(looked, np.arange(len(block.ids)))
        return self._closed(self._end, block.lines, block.spans, apart_from)

    def _take_record(self, looked: Looked, index: int, record_id: str, line: bytes, place: Place) -> Iterator[Chunk]:
        """Take one record, merged into an earlier one of its id if there is one in the chunk."""
        if len(line) > self._lines_bytes_max:
            self._open.chunk.refusals.append(too_large(record_id, line, place))
            return
        if not self._open.merge(looked, index, record_id, line, place, self._lines_bytes_max):
            yield self._close(self._first + index)
            self._open.merge(looked, index, record_id, line, place, self._lines_bytes_max)
        if len(self._open.chunk.lines) == self._batch_size:
            yield self._close(self._first + index + 1)

    def _close(self, end: int) -> Chunk:
        """Close what is open: it accounts for what was read before `end`."""
        span = self._open
        if span.chunk.superseded:
            span.drop_equal(self.comparison)
        lines, ids = b"\n".join(span.chunk.lines), span.chunk.ids
        keys, *_ = span.noted()
        seq = self._first_seq + span.start
        apart_from = self._recent.take(seq, lines, ids, keys.tobytes()) if ids else seq
        if apart_from is None:
            raise AssertionError("the ids of an open chunk are pairwise different")
        return self._closed(end, lines, span.chunk.spans(), apart_from)

    def _closed(self, end: int, lines: bytes, spans: Sequence[Span], apart_from: int) -> Chunk:
        closed, self._open = self._open, _OpenSpan(end)
        closed.hash_up_to(self._block, max(0, end - self._first))
        closed.chunk.source_bytes += self._shares.up_to(max(0, end - self._first))
        self._open.hashed = closed.hashed
        keys, digests, entries = closed.noted()
        read, count = end - closed.start, len(keys)
        chunk = closed.chunk.closed(self._first_seq + closed.start, lines, count, spans, apart_from)
        chunk.unchanged = read - count - len(chunk.refusals) - chunk.superseded
        chunk.entries = self.comparison.send(keys, digests, entries, lines) if count else None
        chunk.source_digest = closed.digest(read)
        chunk.repeats = closed.repeats
        chunk.seen_before, self._repeats = self._repeats, 0
        chunk.campaign_id = self._campaign_id
        chunk.unchanged_line = self._unchanged_line if count else b""
        return chunk


class _OpenSpan:
    """Records of the source from `start` on, and the chunk of those that have to be sent."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.chunk = OpenChunk()
        self.repeats = False
        self.hashed = 0
        """How many records of the current block are in the digest of this span, or of those before."""
        self._source = xxhash.xxh3_128()
        self._noted: list[tuple[Numbers, Numbers, Indexes]] = []

    def is_empty(self, end: int) -> bool:
        """Whether there is nothing to tell of what was read up to `end`."""
        chunk = self.chunk
        return end == self.start and not (chunk.refusals or chunk.filtered or chunk.notes or chunk.digests)

    def is_full(self, bytes_max: int, end: int) -> bool:
        """Whether there is enough in it, at the end of a block, though not of records to send."""
        if self.chunk.refuses_too_much(bytes_max):
            return True
        return not self.chunk.lines and end - self.start >= UNCHANGED_MAX

    def take_notes(self, block: Block) -> None:
        """Take all of a block but its records."""
        self.chunk.take_notes(block)
        self.hashed = 0

    def hash_up_to(self, looked: Looked, stop: int) -> None:
        """Take the records of the current block before `stop` into the digest."""
        if stop > self.hashed:
            self._source.update(looked.digests[self.hashed : stop].tobytes())
            self.hashed = stop

    def digest(self, read: int) -> bytes:
        """Return what is the same for the same records."""
        return self._source.digest() + read.to_bytes(8, "big")

    def note(self, looked: Looked, which: Indexes) -> None:
        """Note what is known of records that are taken."""
        self.repeats |= bool(looked.is_repeated[which].any())
        self._noted.append((looked.keys[which], looked.digests[which], looked.entries[which]))

    def noted(self) -> tuple[Numbers, Numbers, Indexes]:
        """Return the keys, digests and entries of the records that were taken."""
        if len(self._noted) == 1:
            return self._noted[0]
        columns = zip(*self._noted, strict=True) if self._noted else ([], [], [])
        kinds = (np.uint64, np.uint64, np.int64)
        keys, digests, entries = (
            np.concatenate(each) if len(each) else np.empty(0, kind) for each, kind in zip(columns, kinds, strict=True)
        )
        return keys, digests, entries

    def extend(self, looked: Looked, which: Indexes, ids: Sequence[str], lines: list[bytes], spans: list[Span]) -> None:
        """Take a run of records that fits whole."""
        self.chunk.extend(ids, lines, spans)
        self.note(looked, which)

    def merge(self, looked: Looked, index: int, record_id: str, line: bytes, place: Place, bytes_max: int) -> bool:
        """Take one record, merged into an earlier one of its id. False, and nothing taken, if it would not fit."""
        before = len(self.chunk.lines)
        is_taken = self.chunk.merge(record_id, line, place, bytes_max)
        if len(self.chunk.lines) > before:
            self.note(looked, np.array([index]))
        return is_taken

    def drop_equal(self, comparison: Comparison) -> None:
        """Look again at records that others were merged into: what they are now may be what the ledger has."""
        keys, _, entries = self.noted()
        digests = comparison.digests_of(b"\n".join(self.chunk.lines), len(keys))
        keep = np.flatnonzero(~comparison.equals_entry(entries, digests))
        if len(keep) < len(keys):
            self.chunk.keep(keep.tolist())
        self._noted = [(keys[keep], digests[keep], entries[keep])]


_MANY = 4
"""Of so many records one that is wanted: then all of them are told apart at once."""

_NO_NUMBERS = np.empty(0, np.uint64)
_NO_BLOCK = Looked(_NO_NUMBERS, _NO_NUMBERS, np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.bool_))


def _first_lacking(wanted: Indexes, start: int) -> int:
    """Return the first index from `start` on that is not among the ascending ones that are wanted."""
    gaps = np.flatnonzero(wanted != np.arange(start, start + len(wanted)))
    return start + (int(gaps[0]) if len(gaps) else len(wanted))


def _picked_spans(spans: Sequence[Span], which: Indexes, count: int) -> list[Span]:
    """Return a span for each of some records."""
    if len(which) * _MANY > count:
        every = list(places(spans))
        return [_span_of(every[index]) for index in which.tolist()]
    return [_span_of(place_of(spans, index)) for index in which.tolist()]


def _span_of(place: Place) -> Span:
    return Span(place.path, place.row, 1)
