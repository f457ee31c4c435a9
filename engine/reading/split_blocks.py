"""A block of records for many campaigns → a block for each of them. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.reading.open_chunk import data_of
from engine.reading.recent_ids import numbers_of_block
from engine.reading.router import INVALID, SKIPPED, Router, apart
from engine.reading.routing import Routing
from engine.sources import lines_in_order, nth_newline
from engine.values import (
    Block,
    ByteShares,
    JoinedLines,
    LineIds,
    Place,
    Refusal,
    RowSpans,
    Span,
    SpanList,
    cut_spans,
    first_place,
)

Rows = NDArray[np.uint64]


def split_block(block: Block, router: Router) -> Iterator[tuple[int, Block]]:
    """Yield the parts of a block, each with the number of its campaign; last what is for none, without records.

    The numbers of ids are then different ones in each campaign.

    Raises:
        SourceUntrusted: there are too many campaigns.
    """
    routed = router.numbers(block.routed_by or ())
    refusals: dict[int, list[Refusal]] = {}
    for refusal in block.refusals:
        refusals.setdefault(router.number(refusal.routed_by), []).append(refusal)
    left_out = [Span(refusal.place.path, refusal.place.row, 1) for refusal in refusals.pop(SKIPPED, ())]
    rest = replace(block, ids=[], lines=b"", spans=[], refusals=[], source_bytes=0, id_numbers=None, routed_by=None)
    filtered = SpanList(block.filtered)
    filtered.extend(left_out)
    if len(routed) and routed[0] > 0 and (routed == routed[0]).all():
        number = int(routed[0])
        yield number, _whole(block, number, refusals.pop(number, []))
    elif len(routed):
        parts = _Parts(block, routed)
        for number, start, stop in parts.slices:
            if number > 0:
                yield number, parts.of(start, stop, refusals.pop(number, []))
                continue
            rest.source_bytes += parts.bytes_of(start, stop)
            if number == SKIPPED:
                filtered.extend(parts.spans(start, stop))
                rest.filtered_ids = [*rest.filtered_ids, *parts.ids(start, stop)]
            else:
                rest.refusals += parts.refused(start, stop, router.routing.complaint)
    else:
        rest.source_bytes = block.source_bytes
    rest.refusals += refusals.pop(INVALID, [])
    for number, some in refusals.items():
        yield number, Block([], b"", [], some)
    yield INVALID, replace(rest, filtered=filtered)


def parts_of_campaigns(blocks: Iterable[Block], routing: Routing) -> Iterator[Block]:
    """Yield the records of each campaign in blocks, with numbers of ids that differ from campaign to campaign.

    Raises:
        SourceUntrusted: there are too many campaigns.
    """
    router = Router(routing)
    for block in blocks:
        for number, part in split_block(block, router):
            if len(part.ids):
                yield part if part.id_numbers is not None else replace(part, id_numbers=numbers_of(part.ids, number))


def numbers_of(ids: Iterable[str], number: int) -> bytes:
    """Return numbers of ids of a campaign; only for where there is no accelerator, which makes better ones."""
    return array("q", [hash((number, each)) for each in ids]).tobytes()


def halved(block: Block, count: int) -> tuple[Block, Block]:
    """Return the first `count` records of a block, with what is no record in it, and the others; both have some."""
    end = nth_newline(block.lines, count)
    first_spans, other_spans = cut_spans(block.spans, count)
    shares = ByteShares(block.source_bytes, len(block.ids))
    first_bytes = shares.up_to(count)
    parts = ((block.lines[:end], 0, count), (block.lines[end + 1 :], count, len(block.ids)))
    first, others = (
        Block(
            LineIds(JoinedLines(lines), stop - start),
            lines,
            [],
            id_numbers=None if block.id_numbers is None else block.id_numbers[8 * start : 8 * stop],
            routed_by=None if block.routed_by is None else block.routed_by[start:stop],
        )
        for lines, start, stop in parts
    )
    whole = replace(block, ids=first.ids, lines=first.lines, spans=first_spans, source_bytes=first_bytes, digests={})
    others = replace(others, spans=other_spans, source_bytes=shares.up_to(len(block.ids)), digests=block.digests)
    return replace(whole, id_numbers=first.id_numbers, routed_by=first.routed_by), others


def joined(blocks: Sequence[Block]) -> Block:
    """Return blocks as one; their records are of one file, and follow each other."""
    if len(blocks) == 1:
        return blocks[0]
    spans, filtered = SpanList(), SpanList()
    whole = Block([], b"\n".join([each.lines for each in blocks if each.ids]), [])
    numbers = [each.id_numbers for each in blocks if each.ids]
    for each in blocks:
        spans.extend(each.spans)
        filtered.extend(each.filtered)
        whole.refusals += each.refusals
        whole.source_bytes += each.source_bytes
        whole.notes += each.notes
        whole.digests |= each.digests
        whole.filtered_ids += each.filtered_ids
    ids = LineIds(JoinedLines(whole.lines), sum(len(each.ids) for each in blocks))
    texts = [text for each in blocks for text in each.routed_by or ()]
    whole.id_numbers = None if None in numbers else b"".join(filter(None, numbers))
    return replace(whole, ids=ids, spans=spans.in_one_form, filtered=filtered, routed_by=texts)


def rows_of(block: Block) -> bytes:
    """Return the rows of the records of a block, which are all of one file."""
    if isinstance(block.spans, RowSpans):
        return b"".join(rows for _, rows in block.spans.parts)
    ranges = [np.arange(span.first_row, span.first_row + span.count, dtype=np.uint64) for span in block.spans]
    return np.concatenate(ranges).tobytes() if ranges else b""


def _whole(block: Block, number: int, refusals: list[Refusal]) -> Block:
    ids = numbers_of_block(block)
    return Block(
        block.ids,
        block.lines,
        block.spans,
        refusals,
        block.source_bytes,
        id_numbers=None if ids is None else apart(np.frombuffer(ids, np.uint64), number).tobytes(),
    )


class _Parts:
    """A block in the order of its campaigns: each of them is then a slice of the columns."""

    def __init__(self, block: Block, routed: NDArray[np.int16]) -> None:
        order = np.argsort(routed, kind="stable")
        ordered = routed[order]
        borders = (np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist()
        self.slices = [
            (int(ordered[start]), start, stop)
            for start, stop in zip([0, *borders], [*borders, len(ordered)], strict=True)
        ]
        """Each number that there is, and where its records begin and end."""
        self._text, begins = lines_in_order(block.lines, order)
        self._count = len(order)
        self._begins: list[int] = begins.tolist()
        self._path = first_place(block.spans).path
        self._rows = np.frombuffer(rows_of(block), np.uint64)[order].tobytes()
        numbers = numbers_of_block(block)
        self._numbers: bytes | None = None
        if numbers is not None:
            own = apart(np.frombuffer(numbers, np.uint64)[order], ordered.astype(np.int64))
            self._numbers = own.tobytes()
        self._bytes = block.source_bytes

    def of(self, start: int, stop: int, refusals: list[Refusal]) -> Block:
        """Return the records of a campaign."""
        lines = self._lines(start, stop)
        return Block(
            LineIds(JoinedLines(lines), stop - start),
            lines,
            RowSpans([(self._path, self._rows[8 * start : 8 * stop])]),
            refusals,
            self.bytes_of(start, stop),
            id_numbers=None if self._numbers is None else self._numbers[8 * start : 8 * stop],
        )

    def _lines(self, start: int, stop: int) -> bytes:
        return self._text[self._begins[start] : self._begins[stop] - 1]

    def bytes_of(self, start: int, stop: int) -> int:
        """Return the bytes of the source that some records took: evenly shared, and none is lost."""
        count = self._count
        return self._bytes * stop // count - self._bytes * start // count

    def ids(self, start: int, stop: int) -> Sequence[str]:
        """Return the ids of some records."""
        return LineIds(JoinedLines(self._lines(start, stop)), stop - start)

    def spans(self, start: int, stop: int) -> RowSpans:
        """Return where some records stand, at least one."""
        return RowSpans([(self._path, self._rows[8 * start : 8 * stop])])

    def refused(self, start: int, stop: int, reason: str) -> list[Refusal]:
        """Return the refusals of some records."""
        rows, lines = array("Q", self._rows[8 * start : 8 * stop]), self._lines(start, stop).split(b"\n")
        return [
            Refusal(reason, Place(self._path, row), id_, data_of(line))
            for row, id_, line in zip(rows, self.ids(start, stop), lines, strict=True)
        ]
