"""Which ids come again most often? For a person who looks for the column that is the id."""

from __future__ import annotations

from collections import Counter

from engine.reading import first_records
from engine.report import shown
from engine.sources import Source

SHOWN_MAX = 3
COUNTED_MAX = 100_000
"""If there are more different ids, those met once are forgotten again: the counts of others may be too low then."""


def most_repeated(source: Source, limit: int | None = None) -> list[tuple[str, int]]:
    """Read a source, or its first `limit` records, and return the ids that most records have, with their numbers.

    Raises:
        EngineError: what reading it raises.
    """
    counts: Counter[str] = Counter()
    for block in first_records(source.blocks(), limit):
        counts.update(block.ids)
        if len(counts) > COUNTED_MAX:
            counts = Counter({each: count for each, count in counts.items() if count > 1})
    return [(each, count) for each, count in counts.most_common(SHOWN_MAX) if count > 1]


def most_repeated_text(source: Source, limit: int | None = None) -> str:
    """Return the same as a part of a sentence; empty if none comes again, or the source cannot be read again."""
    if source.size() is None:
        return ""
    found = [f"{shown(each, 40)!r} ({count:,} times)" for each, count in most_repeated(source, limit)]
    return f"; most often {', '.join(found)}" if found else ""
