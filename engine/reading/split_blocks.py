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
from engine.sources import nth_newline
from engine.values import Block, ByteShares, JoinedLines, LineIds, Place, Refusal, RowSpans, Span, cut_spans

Rows = NDArray[np.uint64]
Which = NDArray[np.intp]


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
    rest.filtered = [*block.filtered, *left_out]
    if len(routed) and routed[0] > 0 and (routed == routed[0]).all():
        number = int(routed[0])
        yield number, _whole(block, number, refusals.pop(number, []))
    elif len(routed):
        parts = _Parts(block)
        for number, which in _groups(routed):
            if number > 0:
                yield number, parts.of(number, which, refusals.pop(number, []))
            elif number == SKIPPED:
                rest.filtered += parts.spans(which)
                rest.filtered_ids = [*rest.filtered_ids, *parts.ids(which)]
            else:
                rest.refusals += parts.refused(which, router.routing.complaint)
        rest.source_bytes = parts.left_bytes()
    else:
        rest.source_bytes = block.source_bytes
    rest.refusals += refusals.pop(INVALID, [])
    for number, some in refusals.items():
        yield number, Block([], b"", [], some)
    yield INVALID, rest


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


def _groups(routed: NDArray[np.int16]) -> Iterator[tuple[int, Which]]:
    """Yield each number that there is, with the indexes of its records."""
    order = np.argsort(routed, kind="stable")
    ordered = routed[order]
    borders = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    for start, stop in zip([0, *borders.tolist()], [*borders.tolist(), len(ordered)], strict=True):
        yield int(ordered[start]), order[start:stop]


class _Parts:
    """A block, of which records are picked."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._lines = block.lines.split(b"\n")
        self._path = block.spans[0].path
        self._rows = np.frombuffer(rows_of(block), np.uint64)
        numbers = numbers_of_block(block)
        self._numbers = None if numbers is None else np.frombuffer(numbers, np.uint64)
        self._shares = ByteShares(block.source_bytes, len(self._lines))
        self._given = 0

    def of(self, number: int, which: Which, refusals: list[Refusal]) -> Block:
        """Return the records of a campaign."""
        lines = b"\n".join([self._lines[index] for index in which.tolist()])
        numbers = None if self._numbers is None else apart(self._numbers[which], number).tobytes()
        self._given += len(which)
        return Block(
            LineIds(JoinedLines(lines), len(which)),
            lines,
            RowSpans([(self._path, self._rows[which].tobytes())]),
            refusals,
            self._shares.up_to(self._given),
            id_numbers=numbers,
        )

    def left_bytes(self) -> int:
        """Return the bytes of the records that no campaign has got."""
        return self._shares.up_to(len(self._lines))

    def ids(self, which: Which) -> Sequence[str]:
        """Return the ids of some records."""
        lines = b"\n".join([self._lines[index] for index in which.tolist()])
        return LineIds(JoinedLines(lines), len(which))

    def spans(self, which: Which) -> list[Span]:
        """Return where some records stand."""
        return list(RowSpans([(self._path, self._rows[which].tobytes())]))

    def refused(self, which: Which, reason: str) -> list[Refusal]:
        """Return the refusals of some records."""
        rows = self._rows[which].tolist()
        lines = [self._lines[index] for index in which.tolist()]
        return [
            Refusal(reason, Place(self._path, row), id_, data_of(line))
            for row, id_, line in zip(rows, self.ids(which), lines, strict=True)
        ]
