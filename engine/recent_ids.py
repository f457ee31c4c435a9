"""Which of the latest chunks share an id with the next one? Pure.

Almost never any does, and that is found out here for 10,000 ids at once: ids that ascend, as in an export by primary
key, are compared by the first and the last of each chunk; other ids by sets, each of which serves some chunks and is
then dropped whole, which costs half of what removing ids one by one would. The answer may be "not known": then the
order gate compares the chunks themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import lt

from engine.records import Ascending, Chunk


def to_compare(ids: Sequence[str]) -> Ascending | Sequence[str] | None:
    """Return the least that tells these ids from others; None if they are not pairwise different."""
    if ids and all(map(lt, ids, islice(ids, 1, None))):
        return Ascending(ids[0], ids[-1])
    return ids if len(set(ids)) == len(ids) else None


def compared(chunks: Iterable[Chunk], remembered: int) -> Iterator[Chunk]:
    """Yield the chunks of one whole pass, each compared with `remembered` chunks before it at least."""
    recent = RecentIds(remembered)
    for chunk in chunks:
        if chunk.to_compare is not None:
            chunk.apart_from = recent.take(chunk.seq, chunk.to_compare)
            chunk.to_compare = None
        yield chunk


class RecentIds:
    """Remembers the ids of `chunks` to twice as many chunks: the latest ones."""

    def __init__(self, chunks: int) -> None:
        self._chunks_max = chunks
        self._earlier = _Generation(0, ascending=True)
        self._current = _Generation(0, ascending=True)

    def take(self, seq: int, ids: Ascending | Sequence[str]) -> int:
        """Note that chunk `seq`, later than all before, has these ids, which are pairwise different.

        Returns:
            The seq from which on no chunk before this one has any of them; nothing is known about those before that.
        """
        if not ids:
            return 0
        ascending = isinstance(ids, Ascending)
        if self._current.chunks == self._chunks_max or self._current.ascending != ascending:
            self._earlier, self._current = self._current, _Generation(seq, ascending)
        if not self._current.add(ids):
            return seq
        return self._earlier.from_seq if self._earlier.lacks(ids) else self._current.from_seq


class _Generation:
    """The ids of consecutive chunks, the first of them `from_seq`; all of them ascend, or they are kept as a set."""

    def __init__(self, from_seq: int, ascending: bool) -> None:
        self.from_seq = from_seq
        self.ascending = ascending
        self.chunks = 0
        self._ids: set[str] = set()
        self._ranges: list[Ascending] = []

    def add(self, ids: Ascending | Sequence[str]) -> bool:
        """Add the ids of a chunk; whether they were surely new."""
        self.chunks += 1
        if isinstance(ids, Ascending):
            new = self.lacks(ids)
            self._ranges.append(ids)
            return new
        before = len(self._ids)
        self._ids.update(ids)
        return len(self._ids) - before == len(ids)

    def lacks(self, ids: Ascending | Sequence[str]) -> bool:
        """Whether surely none of `ids` is here."""
        if not self.chunks:
            return True
        if isinstance(ids, Ascending):
            return self.ascending and all(last < ids.first or ids.last < first for first, last in self._ranges)
        return not self.ascending and self._ids.isdisjoint(ids)
