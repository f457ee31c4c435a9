"""Faces of packages: the few names that others may use, each from a file that is only imported when it is asked for.

So a face costs nothing: the reading process loads no HTTP client, and `--help` loads hardly anything. Type checkers and
linters read the ordinary imports that stand beside each table, and a test holds the two against one another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_face(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the module `__getattr__` (PEP 562) of `package`, whose `homes` are {file: its public names}."""
    home_of = {name: f"{package}.{home}" for home, names in homes.items() for name in names.split()}

    def get(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return get
