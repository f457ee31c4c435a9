"""How this program was started: what a person types to do so again, and how a process of its own is started."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path, PurePath

COMMAND = "bulk-sync"
"""The command that an installation has, see `[project.scripts]` in pyproject.toml."""

MODULE = "python -m engine"


def program() -> str:
    """Return what begins a command line: `python -m engine`, or `bulk-sync` (with its path, where PATH has another)."""
    script = _script()
    if script is None:
        return MODULE
    return COMMAND if shutil.which(COMMAND) == script else shlex.quote(script)


def program_again() -> list[str]:
    """Return the arguments that start this program as it was started, for a process of its own."""
    script = _script()
    return module_again("engine") if script is None else [script]


def module_again(module: str) -> list[str]:
    """Return the arguments that run a module of this very package, in an environment with `python_path`.

    Never one from the working directory (`-P`): that may have a folder called `engine`, too.
    """
    return [sys.executable, "-P", "-m", module]


def python_path() -> str:
    """Return the `PYTHONPATH` with which another process finds this very package, however this one found it."""
    package = str(Path(__file__).parent.parent.parent)
    return os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])


def _script() -> str | None:
    started_as = sys.argv[0] if sys.argv else ""
    return started_as if PurePath(started_as).name == COMMAND else None
