"""The bytes that some records took in their source, handed out as the records are. Pure."""

from __future__ import annotations


class ByteShares:
    """So many bytes of a source, as stored, spread evenly over so many records; no byte is given twice, and none lost.

    What is read at once may become many chunks. If the first one had all its bytes, a run would seem to be far on
    while it has hardly begun.
    """

    def __init__(self, total: int, records: int) -> None:
        self._total = total
        self._records = records
        self._given = 0

    def up_to(self, index: int) -> int:
        """Return the bytes of the records before `index` that were not given yet; all of them where no record is."""
        reached = self._total * min(index, self._records) // self._records if self._records else self._total
        share, self._given = max(0, reached - self._given), max(reached, self._given)
        return share
