"""Which of the latest chunks share an id with the next one? Pure.

Almost never any does, and that is found out here for 10,000 ids at once: ids that ascend, as in an export by primary
key, are compared by the first and the last of each chunk; other ids by sets, each of which serves some chunks and is
then dropped whole, which costs half of what removing ids one by one would. The answer may be "not known": then the
order gate compares the chunks themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from operator import lt


class RecentIds:
    """Remembers the ids of `chunks` to twice as many chunks: the latest ones."""

    def __init__(self, chunks: int) -> None:
        self._chunks_max = chunks
        self._earlier = _Generation(0, ascending=True)
        self._current = _Generation(0, ascending=True)

    def take(self, seq: int, ids: Sequence[str]) -> int | None:
        """Note that chunk `seq`, later than all before, has these ids.

        Returns:
            The seq from which on no chunk before this one has any of them; nothing is known about those before that.
            None if the ids are not pairwise different: then they must be merged first, and this be called again.
        """
        ascending = _ascend(ids)
        if self._current.chunks == self._chunks_max or self._current.ascending != ascending:
            self._earlier, self._current = self._current, _Generation(seq, ascending)
        if self._current.add(ids):
            return self._earlier.from_seq if self._earlier.lacks(ids, ascending) else self._current.from_seq
        return seq if ascending or len(set(ids)) == len(ids) else None


class _Generation:
    """The ids of consecutive chunks, the first of them `from_seq`; all of them ascend, or they are kept as a set."""

    def __init__(self, from_seq: int, ascending: bool) -> None:
        self.from_seq = from_seq
        self.ascending = ascending
        self.chunks = 0
        self._ids: set[str] = set()
        self._bounds: list[tuple[str, str]] = []

    def add(self, ids: Sequence[str]) -> bool:
        """Add the ids of a chunk; whether they were surely new, and pairwise different."""
        self.chunks += 1
        if self.ascending:
            new = self.lacks(ids, ascending=True)
            if ids:
                self._bounds.append((ids[0], ids[-1]))
            return new
        before = len(self._ids)
        self._ids.update(ids)
        return len(self._ids) - before == len(ids)

    def lacks(self, ids: Sequence[str], ascending: bool) -> bool:
        """Whether surely none of `ids` is here."""
        if not ids or not self.chunks:
            return True
        if not self.ascending:
            return self._ids.isdisjoint(ids)
        return ascending and all(last < ids[0] or ids[-1] < first for first, last in self._bounds)


def _ascend(ids: Sequence[str]) -> bool:
    """Whether each id is greater than the one before, so that they are pairwise different, too."""
    return all(map(lt, ids, islice(ids, 1, None)))
