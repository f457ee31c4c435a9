"""What `/proc` tells about processes, which may end while one looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from engine.reading.spawned import PAYS_FROM_BYTES, pays

T = TypeVar("T")

needs_a_reader = pytest.mark.skipif(not pays(PAYS_FROM_BYTES), reason="with one CPU, no second process reads")


def is_running(pid: int) -> bool:
    return (
        _looked_up(lambda: Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0], "Z")
        != "Z"
    )


def readers_of(pid: int) -> list[int]:
    """Return the children of the process that read for it."""
    nobody: list[Path] = []
    threads = _looked_up(lambda: list(Path(f"/proc/{pid}/task").iterdir()), nobody)
    children = [child for thread in threads for child in _looked_up((thread / "children").read_text, "").split()]
    commands = {int(child): _looked_up(Path(f"/proc/{child}/cmdline").read_bytes, b"") for child in children}
    return [child for child, command in commands.items() if b"engine.reading" in command]


def _looked_up(look: Callable[[], T], otherwise: T) -> T:
    try:
        return look()
    except (FileNotFoundError, ProcessLookupError):  # it was gone before, or it went between opening and reading
        return otherwise
