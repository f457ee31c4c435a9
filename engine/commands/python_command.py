"""How a person calls the interpreter that runs this program."""

from __future__ import annotations

import os
import shlex
import shutil
import sys


def python_command() -> str:
    """Return `python` where the shell finds this very interpreter by that name, else its path, ready to be typed."""
    found = shutil.which("python")
    return "python" if found and _same(found, sys.executable) else shlex.quote(sys.executable)


def _same(one: str, other: str) -> bool:
    """Whether both are one interpreter in one environment: links to it from elsewhere have other packages."""
    return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))
