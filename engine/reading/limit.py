"""The first records of a source, for a trial run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.values import Block, ByteShares, cut_spans, places, split_at_row


def first_records(blocks: Iterable[Block], limit: int | None) -> Iterator[Block]:
    """Yield blocks until they hold `limit` records, refused ones too, the last block cut to fit; all without a limit.

    A refused row counts because it was read: otherwise the trial of a source with a wrong column would read all of it.
    """
    if limit is None:
        yield from blocks
        return
    for block in blocks:
        records = len(block.ids) + len(block.refusals)
        if records >= limit:
            yield _first_of(block, limit)
            return
        limit -= records
        yield block


def _first_of(block: Block, limit: int) -> Block:
    """Return a block cut to its first records, of which it has as many; all of a block is of one file."""
    rows = [place.row for place in places(block.spans)] + [refusal.place.row for refusal in block.refusals]
    last_row = sorted(rows)[limit - 1]
    refusals = [refusal for refusal in block.refusals if refusal.place.row <= last_row]
    accepted = limit - len(refusals)
    return replace(
        block,
        ids=block.ids[:accepted],
        lines=b"\n".join(block.lines.split(b"\n")[:accepted]),
        spans=cut_spans(block.spans, accepted)[0],
        source_bytes=ByteShares(block.source_bytes, len(rows)).up_to(limit),
        refusals=refusals,
        filtered=split_at_row(block.filtered, last_row)[0],
        digests={},
        id_numbers=None if block.id_numbers is None else block.id_numbers[: 8 * accepted],
        routed_by=None if block.routed_by is None else block.routed_by[:accepted],
    )
