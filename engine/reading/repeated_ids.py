"""How many records of a pass have an id that came before in it, in whatever chunk? Pure, and bounded.

Up to `IDS_COUNTED_EXACTLY` different ids each is remembered, by a 64-bit number, and the count is exact. Beyond that,
one id in 256 is remembered, chosen by its number, and each record that has one of these stands for 256: an estimate,
good enough to tell a portfolio that was read twice from one in which a few ids repeat, and hardly any work.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence

from engine.values import IDS_COUNTED_EXACTLY

NUMBER_BYTES = 8
_STANDS_FOR = 256
_TOP_BYTE = 7 if sys.byteorder == "little" else 0
_TOP_BITS = 0xFF << 56


class RepeatedIds:
    """Counts as the records of a pass come by."""

    def __init__(self) -> None:
        self.count = 0
        """How many records came whose id had come before."""
        self._numbers: set[int] = set()
        self._is_exact = True

    def add(self, numbers: bytes) -> int:
        """Take the ids of some more records by their numbers, 64 bits each; return how many came before."""
        if not self._is_exact:
            return self._add_some([*_with_top_zero(numbers)])
        return self._add_all(array("Q", numbers))

    def add_texts(self, ids: Sequence[str]) -> int:
        """Take the ids of some more records. One pass takes either numbers or texts."""
        if not self._is_exact:
            return self._add_some([number for number in map(hash, ids) if not number & _TOP_BITS])
        return self._add_all([*map(hash, ids)])

    def _add_all(self, numbers: Sequence[int]) -> int:
        before = len(self._numbers)
        self._numbers.update(numbers)
        repeated = len(numbers) - (len(self._numbers) - before)
        self.count += repeated
        if len(self._numbers) > IDS_COUNTED_EXACTLY:
            self._numbers = {number for number in self._numbers if not number & _TOP_BITS}
            self._is_exact = False
        return repeated

    def _add_some(self, numbers: Sequence[int]) -> int:
        before = len(self._numbers)
        self._numbers.update(numbers)
        repeated = _STANDS_FOR * (len(numbers) - (len(self._numbers) - before))
        self.count += repeated
        return repeated


def _with_top_zero(numbers: bytes) -> Iterator[int]:
    """Yield the numbers whose highest byte is 0: found by a search through bytes, not number by number."""
    tops = numbers[_TOP_BYTE::NUMBER_BYTES]
    at = tops.find(0)
    while at >= 0:
        yield int.from_bytes(numbers[at * NUMBER_BYTES : (at + 1) * NUMBER_BYTES], sys.byteorder)
        at = tops.find(0, at + 1)
