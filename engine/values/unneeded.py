"""Libraries that others would load, and nobody here needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from threading import get_ident


class _Nothing:
    """A finder of modules that says of one that there is none, perhaps to one thread only."""

    def __init__(self, name: str, thread: int | None = None) -> None:
        self._name = name
        self._thread = thread

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return None: others may know. See `importlib.abc.MetaPathFinder`."""
        if name == self._name and self._thread in (None, get_ident()):
            raise ModuleNotFoundError(f"{name} is left out of this process", name=name)
        return None


_NO_PANDAS = _Nothing("pandas")


def leave_out_pandas() -> None:
    """Let nothing import pandas in this process, which must be the engine's own.

    Arrow does at the first value it makes, wherever pandas is installed: for half a second, and for nothing.
    """
    sys.meta_path.insert(0, _NO_PANDAS)


@contextmanager
def arrow_alone() -> Iterator[None]:
    """Have Arrow imported meanwhile without numpy, which takes as long as Arrow itself: no array of it comes near.

    Only where pandas is left out, too: elsewhere somebody may want to turn columns into arrays. Other threads may
    import numpy at the same time.
    """
    if _NO_PANDAS not in sys.meta_path:
        yield
        return
    no_numpy = _Nothing("numpy", get_ident())
    sys.meta_path.insert(0, no_numpy)
    try:
        yield
    finally:
        sys.meta_path.remove(no_numpy)
