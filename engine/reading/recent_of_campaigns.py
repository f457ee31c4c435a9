"""Which of the latest chunks of a campaign share an id with its next one? One memory serves all campaigns. Pure.

The numbers of ids are other ones in each campaign, so that the same id in two of them is two ids.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from engine.reading.recent_ids import RecentIds, recent_ids


class RecentOfCampaigns:
    """Remembers the ids of the latest chunks of all campaigns, of `chunks` to twice as many."""

    def __init__(self, chunks: int) -> None:
        self._recent = recent_ids(chunks)
        self._next = 0

    def take(self, lines: bytes, ids: Sequence[str], numbers: bytes | None) -> tuple[int, int] | None:
        """Note the next chunk; return its place in the order of all, and that from which on none shares an id with it.

        None if its ids are not pairwise different.
        """
        place = self._next
        apart_from = self._recent.take(place, lines, ids, numbers)
        if apart_from is None:
            return None
        self._next += 1
        return place, apart_from


class RecentOfOne(RecentIds):
    """Those of one campaign among them; `numbers` of ids must be its own, or nothing is known."""

    def __init__(self, all_of_them: RecentOfCampaigns) -> None:
        self._all = all_of_them
        self._places: list[int] = []
        self._seqs: list[int] = []

    def take(self, seq: int, lines: bytes, ids: Sequence[str], numbers: bytes | None = None) -> int | None:
        """See `RecentIds`: what is said is about the chunks of this campaign."""
        taken = self._all.take(lines, ids, numbers)
        if taken is None:
            return None
        place, apart_from = taken
        self._places.append(place)
        self._seqs.append(seq)
        return self._seqs[bisect_left(self._places, apart_from)]
