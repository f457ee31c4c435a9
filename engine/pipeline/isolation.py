"""How much a run may spend on finding out which records spoil a request, and how large a request may be."""

from __future__ import annotations

from math import inf

FRUITLESS_MAX = 1_000
"""So many requests that leave records unsettled a run may spend on isolating them. Halving makes two of each."""
FRUITLESS_PER_CHUNK_MAX = 250
"""So many of them a single chunk may spend, so that one bad chunk does not eat the budget of the others."""


class Isolation:
    """What all chunks of a run share of it."""

    def __init__(self) -> None:
        self.lines_bytes_max: float = inf
        """Learned from a 413: larger requests are split before they are sent."""
        self._fruitless = 0

    def spend(self) -> None:
        """Note a request that was answered, but left records unsettled."""
        self._fruitless += 1

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be isolated in this run."""
        return self._fruitless >= FRUITLESS_MAX

    def learn_size(self, too_large_bytes: int) -> None:
        """From now on, try half of what was too large, or a little more, for halves are never even."""
        self.lines_bytes_max = min(self.lines_bytes_max, too_large_bytes * 5 // 8)
