"""Changes on their way into the ledger, in files without names: there may be as many as records."""

from __future__ import annotations

import mmap
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ledger.changes import Acknowledged, Change, Removed, Voided, VoidedAll
from engine.ledger.columns import DROPPED_BITS
from engine.ledger.partition import ACKNOWLEDGED, REMOVED, VOIDED, Changes

Array = NDArray[Any]


class Spool:
    """Takes changes in their order and puts them into files without names: there may be as many as records."""

    def __init__(self, stack: ExitStack, where: Path) -> None:
        names = (*Changes.__slots__, "words")
        self._files = {name: stack.enter_context(TemporaryFile(dir=where)) for name in names}  # noqa: SIM115 - the stack closes them
        self._words = 0
        self._count = 0
        self._void_until = 0
        self._all_void = False

    def add(self, run: int, change: Change) -> None:
        """Take the next change, of the run with this number."""
        if isinstance(change, VoidedAll):
            self._void_until, self._all_void = self._count, True
            return
        keys = np.frombuffer(change.keys, np.uint64) >> DROPPED_BITS
        count = len(keys)
        kind, digests, places = VOIDED, np.zeros(count, np.uint64), np.zeros(count, np.uint32)
        if isinstance(change, Acknowledged):
            kind, digests = ACKNOWLEDGED, np.frombuffer(change.digests, np.uint64)
        elif isinstance(change, Removed):
            kind = REMOVED
        if not isinstance(change, Voided):
            places = np.frombuffer(change.begins, np.uint32) + np.uint32(self._words)
            self._files["words"].write(change.words)
            self._words += len(change.words) // 8
        columns = (keys, np.full(count, kind, np.uint8), digests, np.full(count, run, np.uint32), places)
        for name, column in zip(Changes.__slots__, columns, strict=True):
            self._files[name].write(column.tobytes())
        self._count += count

    def read(self) -> Spooled:
        """Return all that was taken. What was acknowledged before all was voided is void."""
        kinds = dict(zip(Changes.__slots__, (np.uint64, np.uint8, np.uint64, np.uint32, np.uint32), strict=True))
        columns = {name: self._mapped(name, kind) for name, kind in kinds.items()}
        if self._void_until:
            columns["digests"] = np.concatenate(
                [np.zeros(self._void_until, np.uint64), columns["digests"][self._void_until :]]
            )
        return Spooled(Changes(**columns), self._mapped("words", np.uint64), self._all_void)

    def _mapped(self, name: str, kind: Any) -> Array:
        file = self._files[name]
        file.flush()
        size = file.tell() // np.dtype(kind).itemsize
        return np.memmap(file, kind, "r", shape=(size,)) if size else np.empty(0, kind)


class Spooled:
    """Changes, mapped from files."""

    def __init__(self, changes: Changes, words: Array, all_void: bool) -> None:
        self.changes = changes
        self.words = words
        self.all_void = all_void
        """Whether all entries were voided."""

    def forget_pages(self) -> None:
        """Let the system take the memory back that the files are mapped to."""
        for name in Changes.__slots__:
            mapped = getattr(getattr(self.changes, name), "_mmap", None)
            if mapped is not None:
                mapped.madvise(mmap.MADV_DONTNEED)
