"""Faces of packages: the few names that others may use, each from a file that is only imported when it is asked for.

So a face costs nothing: the reading process loads no HTTP client, and `--help` loads hardly anything. A face is written
as ordinary imports below `if TYPE_CHECKING`, which linters, type checkers and people read; so does `lazy_face`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec


def lazy_face(package: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a package (PEP 562) that imports its names from where its `if` says they are."""

    def get(name: str) -> object:
        home = _homes(package).get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, name_there = home
        found: object = getattr(import_module(module), name_there)
        setattr(sys.modules[package], name, found)
        return found

    return get


@cache
def _homes(package: str) -> dict[str, tuple[str, str]]:
    """Return the public names of a package, the modules that they come from, and what they are called there."""
    source = find_spec(package).loader.get_source(package)  # type: ignore[union-attr]  # it is being imported
    [block] = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: (str(node.module), alias.name) for node in imports for alias in node.names}
