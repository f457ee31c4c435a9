"""Counts the ids of a source, and nothing else."""

from __future__ import annotations

from engine.reading.limit import first_records
from engine.reading.recent_ids import numbers_of_block
from engine.reading.repeated_ids import RepeatedIds
from engine.reading.routing import Routing
from engine.sources import Source


def count_repeated(source: Source, limit: int | None, routing: Routing | None = None) -> tuple[int, int]:
    """Read a source, or its first `limit` records; return how many have an id, and of how many it had come before.

    With many campaigns, the same id in two of them is two ids.

    Raises:
        EngineError: what reading it raises.
    """
    records, repeated = 0, RepeatedIds()
    blocks = first_records(source.blocks(), limit)
    if routing is not None:
        from engine.reading.split_blocks import parts_of_campaigns  # here: it takes numpy, and long to import

        blocks = parts_of_campaigns(blocks, routing)
    for block in blocks:
        records += len(block.ids)
        numbers = numbers_of_block(block)
        if numbers is None:
            repeated.add_texts(block.ids)
        else:
            repeated.add(numbers)
    return records, repeated.count
