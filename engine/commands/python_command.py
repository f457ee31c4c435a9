"""How a person calls this program, and the interpreter that runs it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys

from engine.values import program


def typed_program() -> str:
    """Return what begins a command line, as `program`, but so that it works in any shell as it stands."""
    begins = program()
    return begins.replace("python", python_command(), 1) if begins.startswith("python ") else begins


def python_command() -> str:
    """Return `python` where the shell finds this very interpreter by that name, else its path, ready to be typed."""
    found = shutil.which("python")
    return "python" if found and _same(found, sys.executable) else shlex.quote(sys.executable)


def _same(one: str, other: str) -> bool:
    """Whether both are one interpreter in one environment: links to it from elsewhere have other packages."""
    folders = {os.path.normcase(os.path.dirname(os.path.abspath(path))) for path in (one, other)}
    return len(folders) == 1 and os.path.samefile(one, other)
