"""Counts the ids of a source, and nothing else."""

from __future__ import annotations

from engine.reading.limit import first_records
from engine.reading.recent_ids import numbers_of_block
from engine.reading.repeated_ids import RepeatedIds
from engine.sources import Source


def count_repeated(source: Source, limit: int | None) -> tuple[int, int]:
    """Read a source, or its first `limit` records; return how many have an id, and of how many it had come before.

    Raises:
        EngineError: what reading it raises.
    """
    records, repeated = 0, RepeatedIds()
    for block in first_records(source.blocks(), limit):
        records += len(block.ids)
        numbers = numbers_of_block(block)
        if numbers is None:
            repeated.add_texts(block.ids)
        else:
            repeated.add(numbers)
    return records, repeated.count
