"""Late copies: requests whose end is unknown, and until when the server may still apply what they held.

A gateway answers 504, or the connection drops, and the server works on: the repeat succeeds, newer values of the same
ids succeed, and then the first copy lands. So what an attempt of unknown end has sent is remembered until it can land
no more, and the order gate (`admission.py`) holds newer values of its ids back until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from msgspec import Struct

ALL_SEQS = -1
"""Stands for the seqs of all chunks that a process which was killed may have had in flight."""


class HeldBack(Struct, frozen=True):
    """So many ids of the next chunk wait until no older copy of them can land."""

    ids: int
    until: float


class LateCopies:
    """What may still land, by the seq of the chunk that it came from. Times are of the loop's clock, in seconds.

    Args:
        may_land_s: so long after it was sent, a request may still be applied.
        before: what earlier processes of the run have left, by seq: until when it may land. Under `ALL_SEQS`, until
            when anything may that one which was killed had in flight.
        in_flight_before: so many chunks at the most that one had in flight: they are among the first of each campaign.
    """

    def __init__(
        self, may_land_s: float, *, before: Mapping[int, float] | None = None, in_flight_before: int = 0
    ) -> None:
        self.in_flight_before = in_flight_before
        self._may_land_s = may_land_s
        self._until = dict(before or {})
        self._all_before = self._until.get(ALL_SEQS, -inf)
        self.before_until = max(self._until.values(), default=-inf)
        """Until when anything may land that an earlier process has sent; minus infinity if nothing can."""
        self.held_back: HeldBack | None = None
        """What waits for a copy of older values now; as it was at the end, once the run has stopped."""

    def sent_again(self, seq: int) -> None:
        """This chunk is one of the first to be sent, so that a process that was killed may have had it in flight."""
        if self._all_before > -inf:
            self._until[seq] = max(self._until.get(seq, -inf), self._all_before)

    def note(self, seq: int, sent_at: float) -> None:
        """A request with records of this chunk, sent then, has an unknown end."""
        self._until[seq] = max(self._until.get(seq, -inf), sent_at + self._may_land_s)

    def until(self, seq: int) -> float:
        """Return until when a copy of records of this chunk may land; it is over if that has passed."""
        return self._until.get(seq, -inf)

    def open(self, now: float) -> dict[int, float]:
        """Return what may still land, by seq, or under `ALL_SEQS`: until when."""
        self._until = {seq: until for seq, until in self._until.items() if until > now}
        return dict(self._until)
