"""Witnesses of earlier processes: copies of finished chunks' records that may land though nobody waits for them.

A witness (`witnesses.py`) is the last record of a finished chunk, sent again beside a chunk in trouble. If the process
ends while it is in flight, the chunk in trouble is known to have left something, but not whose record it has borrowed.
So until nothing can land any more, the last record of every finished chunk counts as one that may.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf

from engine.values import Chunk, id_of_line


class WitnessesBefore:
    """The ids of those records, by campaign; false if there are none.

    Args:
        until: until when what earlier processes have sent may land, by the loop's clock.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self._ids: dict[str, set[str]] = {}
        self._compared: set[str] = set()
        """Campaigns that were compared with the ledger: that does not tell the ids of finished chunks."""

    def __bool__(self) -> bool:
        return bool(self._ids or self._compared)

    def skip(self, chunk: Chunk) -> None:
        """Note a chunk that an earlier process has finished. The producer's thread may call this."""
        if self._until == -inf:
            return
        if chunk.source_digest is not None:
            self._compared.add(chunk.campaign_id)
        elif len(chunk.ids):
            self._ids.setdefault(chunk.campaign_id, set()).add(id_of_line(chunk.last_line))

    def late_until(self, chunk: Chunk, now: float) -> float:
        """Return until when an older version of one of its ids may land; minus infinity if none can."""
        if self._until <= now:
            self._ids, self._compared, self._until = {}, set(), -inf
        return self._until if self.among(chunk) else -inf

    def among(self, chunk: Chunk) -> Collection[str]:
        """Return which ids of a chunk are, or may be, among them."""
        if chunk.campaign_id in self._compared and chunk.repeats:
            return chunk.ids
        ids = self._ids.get(chunk.campaign_id)
        return ids.intersection(chunk.ids) if ids else ()
