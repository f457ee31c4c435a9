"""Libraries that others would load, and nobody here needs."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec


class _NoPandas:
    """A finder of modules that says of one that there is none; Arrow takes no other word for it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return None: others may know. See `importlib.abc.MetaPathFinder`."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out of this process", name=name)
        return None


def leave_out_pandas() -> None:
    """Let nothing import pandas in this process, which must be the engine's own.

    Arrow does at the first value it makes, wherever pandas is installed: for half a second, and for nothing.
    """
    sys.meta_path.insert(0, _NoPandas())
