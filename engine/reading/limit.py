"""The first records of a source, for a trial run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from engine.values import Block, ByteShares, Refusal, Span, cut_spans, place_of, split_at_row


def first_records(blocks: Iterable[Block], limit: int | None) -> Iterator[Block]:
    """Yield blocks until they hold `limit` valid records, the last block cut to fit; all blocks without a limit."""
    if limit is None:
        yield from blocks
        return
    for block in blocks:
        if len(block.ids) >= limit:
            spans, _ = cut_spans(block.spans, limit)
            lines = b"\n".join(block.lines.split(b"\n")[:limit])
            yield replace(
                block,
                ids=block.ids[:limit],
                lines=lines,
                spans=spans,
                source_bytes=ByteShares(block.source_bytes, len(block.ids)).up_to(limit),
                refusals=_refusals_up_to(block, limit),
                filtered=_filtered_up_to(block, limit),
                digests={},
                routed_by=None if block.routed_by is None else block.routed_by[:limit],
            )
            return
        limit -= len(block.ids)
        yield block


def _refusals_up_to(block: Block, limit: int) -> list[Refusal]:
    """The refusals that stand before the record after the last one taken."""
    if limit == len(block.ids):
        return block.refusals
    end = place_of(block.spans, limit)
    return [refusal for refusal in block.refusals if refusal.place.path != end.path or refusal.place.row < end.row]


def _filtered_up_to(block: Block, limit: int) -> Sequence[Span]:
    """The rows left out before the last record taken; all of a block is of one file."""
    return split_at_row(block.filtered, place_of(block.spans, limit - 1).row)[0]
