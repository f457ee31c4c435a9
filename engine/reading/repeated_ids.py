"""How many records of a pass have an id that came before in it, in whatever chunk? Pure, and bounded.

Up to `IDS_COUNTED_EXACTLY` different ids each is remembered, by a 64-bit number, and the count is exact. Beyond that,
one id in 256 is remembered, chosen by its number, and each record that has one of these stands for 256: an estimate,
good enough to tell a portfolio that was read twice from one in which a few ids repeat, and hardly any work.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence

from engine.sources import accelerator
from engine.values import IDS_COUNTED_EXACTLY

NUMBER_BYTES = 8
_STANDS_FOR = 256
_TOP_BYTE = 7 if sys.byteorder == "little" else 0


class RepeatedIds:
    """Counts as the records of a pass come by."""

    def __init__(self) -> None:
        self.count = 0
        """How many records came whose id had come before."""
        self._all: _AllNumbers | None = _AllNumbers()
        """None once there are too many."""
        self._some: set[int] = set()

    def add_texts(self, ids: Sequence[str]) -> int:
        """Take the ids of some more records; return how many came before. One pass takes either texts or numbers."""
        return self.add(array("q", map(hash, ids)).tobytes())

    def add(self, numbers: bytes) -> int:
        """Take the ids of some more records by their numbers, 64 bits each; return how many came before."""
        sampled, before = list(_with_top_zero(numbers)), len(self._some)
        self._some.update(sampled)
        if self._all is None:
            repeated = _STANDS_FOR * (len(sampled) - (len(self._some) - before))
        else:
            repeated = self._all.add(numbers)
            if self._all.different > IDS_COUNTED_EXACTLY:
                self._all = None
        self.count += repeated
        return repeated


class _AllNumbers:
    """Remembers each number. As long as none comes again, which is what mostly happens, that is done in C."""

    def __init__(self) -> None:
        self.different = 0
        self._in_c = accelerator.NumberSet() if accelerator else None
        self._taken: list[bytes] = []
        self._here: set[int] = set()

    def add(self, numbers: bytes) -> int:
        """Take some more; return how many came before."""
        if self._in_c is not None:
            if self._in_c.add(numbers):
                self._taken.append(numbers)
                self.different += len(numbers) // NUMBER_BYTES
                return 0
            for taken in self._taken:
                self._here.update(array("Q", taken))
            self._in_c, self._taken = None, []
        self._here.update(array("Q", numbers))
        new = len(self._here) - self.different
        self.different = len(self._here)
        return len(numbers) // NUMBER_BYTES - new


def _with_top_zero(numbers: bytes) -> Iterator[int]:
    """Yield the numbers whose highest byte is 0: found by a search through bytes, not number by number."""
    tops = numbers[_TOP_BYTE::NUMBER_BYTES]
    at = tops.find(0)
    while at >= 0:
        yield int.from_bytes(numbers[at * NUMBER_BYTES : (at + 1) * NUMBER_BYTES], sys.byteorder)
        at = tops.find(0, at + 1)
