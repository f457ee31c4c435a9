"""The chunks of one campaign among many: what waits is a few pieces of text, not single lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.reading.open_chunk import OpenChunk, too_large
from engine.reading.recent_ids import RecentIds, numbers_of_lines
from engine.reading.repeated_ids import RepeatedIds
from engine.reading.router import apart, first_seq
from engine.reading.split_blocks import numbers_of, rows_of
from engine.values import Block, ByteShares, Chunk, JoinedLines, LineIds, RowSpans, first_place, places


class CampaignChunker:
    """Cuts what comes for a campaign into its chunks; `batch_size` and `lines_bytes_max` are as those of `Chunker`.

    Args:
        number: of the campaign.
        campaign_id: of the campaign; empty for what is for none.
        recent: remembers the ids of its latest chunks.
        repeated: counts the ids of all campaigns.
        batch_size: how many records a chunk holds at the most.
        lines_bytes_max: how many bytes its lines are at the most.
    """

    def __init__(
        self,
        number: int,
        campaign_id: str,
        recent: RecentIds,
        repeated: RepeatedIds,
        *,
        batch_size: int,
        lines_bytes_max: int,
    ) -> None:
        self._number, self._campaign_id = number, campaign_id
        self._recent, self._repeated = recent, repeated
        self._batch_size, self._lines_bytes_max = batch_size, lines_bytes_max
        self._seq = first_seq(number)
        self._beside = OpenChunk()
        """What waits but records."""
        self._pieces: list[Block] = []
        self._records = 0
        self.waiting_bytes = 0
        """Of the lines that wait."""

    def add(self, block: Block) -> Iterator[Chunk]:
        """Take the next records; yield the chunks that they complete."""
        if block.refusals or block.filtered or block.notes or block.digests:
            self._beside.take_notes(block)
        count, size = len(block.ids), len(block.lines)
        if count and count <= self._batch_size - self._records and self.waiting_bytes + size <= self._lines_bytes_max:
            self._take(block)
        elif count:
            yield from self._take_apart(block)
        else:
            self._beside.source_bytes += block.source_bytes
        is_wanted_now = self._records == self._batch_size or self._beside.digests or self._beside.notes
        if is_wanted_now or (block.refusals and self._beside.refuses_too_much(self._lines_bytes_max)):
            yield self.close()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        beside = self._beside
        return not (self._pieces or beside.refusals or beside.filtered or beside.source_bytes)

    def _take(self, piece: Block) -> None:
        self._pieces.append(piece)
        self._records += len(piece.ids)
        self.waiting_bytes += len(piece.lines) + 1
        self._beside.source_bytes += piece.source_bytes

    def _take_apart(self, block: Block) -> Iterator[Chunk]:
        """Take records of which not all fit."""
        lines, every = block.lines.split(b"\n"), list(places(block.spans))
        shares = ByteShares(block.source_bytes, len(lines))
        start = size = 0
        room = self._lines_bytes_max - self.waiting_bytes
        for index, line in enumerate(lines):
            if len(line) > self._lines_bytes_max:
                self._beside.refusals.append(too_large(block.ids[index], line, every[index]))
                self._take_run(block, lines, start, index, shares)
                room, start, size = room - size, index + 1, 0
                continue
            if size + len(line) > room or self._records + index - start == self._batch_size:
                self._take_run(block, lines, start, index, shares)
                yield self.close()
                room, start, size = self._lines_bytes_max, index, 0
            size += len(line) + 1
        self._take_run(block, lines, start, len(lines), shares)

    def _take_run(self, block: Block, lines: list[bytes], start: int, stop: int, shares: ByteShares) -> None:
        """Take some consecutive records of a block."""
        if start == stop:
            return
        text, rows, numbers = b"\n".join(lines[start:stop]), rows_of(block), block.id_numbers
        part = slice(8 * start, 8 * stop)
        self._take(
            Block(
                LineIds(JoinedLines(text), stop - start),
                text,
                RowSpans([(first_place(block.spans).path, rows[part])]),
                source_bytes=shares.up_to(stop),
                id_numbers=None if numbers is None else numbers[part],
            )
        )

    def close(self) -> Chunk:
        """Close what waits as a chunk."""
        beside, pieces, count = self._beside, self._pieces, self._records
        self._beside, self._pieces, self._records, self.waiting_bytes = OpenChunk(), [], 0, 0
        seq, self._seq = self._seq, self._seq + 1
        if not pieces:
            chunk = beside.closed(seq, b"", 0, [], seq)
            chunk.campaign_id = self._campaign_id
            return chunk
        lines = pieces[0].lines if len(pieces) == 1 else b"\n".join([piece.lines for piece in pieces])
        spans = pieces[0].spans if len(pieces) == 1 else _joined_spans(pieces)
        numbers = _joined_numbers(pieces)
        ids = LineIds(JoinedLines(lines), count)
        apart_from = self._recent.take(seq, lines, ids, numbers)
        if apart_from is None:
            for id_, line, place in zip(ids, lines.split(b"\n"), places(spans), strict=True):
                if not beside.merge(id_, line, place, self._lines_bytes_max):
                    raise AssertionError("merged records are never larger than they were apart")
            lines, spans = b"\n".join(beside.lines), beside.spans()
            ids = LineIds(JoinedLines(lines), len(beside.ids))
            numbers = self._numbers(lines, ids)
            apart_from = self._recent.take(seq, lines, ids, numbers)
        if apart_from is None:
            raise AssertionError("the ids of a chunk are pairwise different")
        chunk = beside.closed(seq, lines, len(ids), spans, apart_from)
        chunk.seen_before = chunk.superseded + self._count_repeated(numbers, ids)
        chunk.campaign_id = self._campaign_id
        return chunk

    def _numbers(self, lines: bytes, ids: LineIds) -> bytes | None:
        numbers = numbers_of_lines(lines, ids)
        return None if numbers is None else apart(np.frombuffer(numbers, np.uint64), self._number).tobytes()

    def _count_repeated(self, numbers: bytes | None, ids: LineIds) -> int:
        if numbers is None:
            numbers = numbers_of(ids, self._number)
        return self._repeated.add(numbers)


def _joined_numbers(pieces: list[Block]) -> bytes | None:
    numbers = [piece.id_numbers for piece in pieces]
    return None if None in numbers else b"".join(filter(None, numbers))


def _joined_spans(pieces: list[Block]) -> RowSpans:
    parts: list[tuple[str, list[bytes]]] = []
    for piece in pieces:
        spans = piece.spans
        for path, rows in spans.parts if isinstance(spans, RowSpans) else [(spans[0].path, rows_of(piece))]:
            if not parts or parts[-1][0] != path:
                parts.append((path, []))
            parts[-1][1].append(rows)
    return RowSpans([(path, b"".join(rows)) for path, rows in parts])
