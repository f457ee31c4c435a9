"""Which of the latest chunks share an id with the next one? Pure.

Almost never any does, and that is found out here for 10,000 ids at once, by sets, each of which serves some chunks and
is then dropped whole, which costs half of what removing ids one by one would. The answer may be "not known": then the
order gate compares the chunks themselves.

With the accelerator the sets hold a 64-bit number for each id, by a seed that is secret: different numbers prove
different ids, equal ones are a doubt. Without it they hold the ids; but ids that ascend, as in an export by primary
key, are compared by the first and the last of each chunk.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import islice
from operator import lt
from typing import TYPE_CHECKING, Protocol

from xxhash import xxh3_64_intdigest

from engine.reading.repeated_ids import RepeatedIds
from engine.sources import accelerator, id_seed
from engine.values import Block

if TYPE_CHECKING:
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray


class RecentIds(Protocol):
    """Remembers the ids of the latest chunks: of so many as it was made for, to twice as many."""

    def take(self, seq: int, lines: bytes, ids: Sequence[str], numbers: bytes | None = None) -> int | None:
        """Note that chunk `seq`, later than all before, consists of these canonical lines, which have these ids.

        `numbers` are those of the ids, if somebody has made them already.

        Returns:
            The seq from which on no chunk before this one has any of them; nothing is known about those before that.
            None if the ids are not pairwise different: then they must be merged first, and this be called again.
        """


def recent_ids(chunks: int, repeated: RepeatedIds | None = None) -> RecentIds:
    """Return what remembers the ids of `chunks` to twice as many chunks; `repeated` gets all ids that are taken."""
    return RecentNumbers(chunks, accelerator, id_seed, repeated) if accelerator else RecentTexts(chunks, repeated)


def numbers_of_block(block: Block) -> bytes | None:
    """Return the numbers of its ids; None without the accelerator."""
    if accelerator is None or block.id_numbers is not None:
        return block.id_numbers
    return _numbers(accelerator, id_seed, block.lines, block.ids)


def numbers_of_lines(lines: bytes, ids: Sequence[str]) -> bytes | None:
    """Return the numbers of the ids of canonical lines; None without the accelerator."""
    return None if accelerator is None else _numbers(accelerator, id_seed, lines, ids)


def numbers_of_ids(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return the numbers of ids, which are the same as those of lines, or without the accelerator others."""
    import numpy as np  # here: it takes long to import

    if accelerator is not None:
        numbers: bytes = accelerator.numbers_of_ids([id_.encode() for id_ in ids], id_seed)
        return np.frombuffer(numbers, np.uint64)
    return np.frombuffer(array("Q", [xxh3_64_intdigest(id_.encode(), id_seed) for id_ in ids]).tobytes(), np.uint64)


def _numbers(scan: ModuleType, seed: int, lines: bytes, ids: Sequence[str]) -> bytes:
    numbers: bytes | None = scan.numbers_of_lines(lines, len(ids), seed)
    if numbers is None:  # some line is written in an unusual way
        numbers = scan.numbers_of_ids([id_.encode() for id_ in ids], seed)
    return numbers or b""


class RecentNumbers:
    """Remembers ids by numbers; see `RecentIds`. It looks at `ids` only in doubt."""

    def __init__(self, chunks: int, scan: ModuleType, seed: int, repeated: RepeatedIds | None = None) -> None:
        self._chunks_max = chunks
        self._repeated = repeated
        self._scan = scan
        self._seed = seed
        self._earlier, self._current = scan.NumberSet(), scan.NumberSet()
        self._earlier_from = self._current_from = 0
        self._chunks = 0

    def take(self, seq: int, lines: bytes, ids: Sequence[str], numbers: bytes | None = None) -> int | None:
        """See `RecentIds`."""
        if self._chunks == self._chunks_max:
            self._earlier, self._current = self._current, self._earlier
            self._current.clear()
            self._earlier_from, self._current_from = self._current_from, seq
            self._chunks = 0
        self._chunks += 1
        if numbers is None:
            numbers = _numbers(self._scan, self._seed, lines, ids)
        is_new = self._current.add(numbers)
        if not is_new and len(set(ids)) < len(ids):
            return None
        if self._repeated is not None:
            self._repeated.add(numbers)
        if is_new:
            return self._earlier_from if self._earlier.lacks(numbers) else self._current_from
        return seq


class RecentTexts:
    """Remembers the ids themselves; see `RecentIds`."""

    def __init__(self, chunks: int, repeated: RepeatedIds | None = None) -> None:
        self._chunks_max = chunks
        self._repeated = repeated
        self._earlier = _Generation(0, ascending=True)
        self._current = _Generation(0, ascending=True)

    def take(self, seq: int, lines: bytes, ids: Sequence[str], numbers: bytes | None = None) -> int | None:
        """See `RecentIds`."""
        ascending = _ascend(ids)
        if self._current.chunks == self._chunks_max or self._current.ascending != ascending:
            self._earlier, self._current = self._current, _Generation(seq, ascending)
        is_new = self._current.add(ids)
        if not is_new and not ascending and len(set(ids)) < len(ids):
            return None
        if self._repeated is not None:
            self._repeated.add_texts(ids)
        if is_new:
            return self._earlier.from_seq if self._earlier.lacks(ids, ascending) else self._current.from_seq
        return seq


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
