"""The process that reads a large source gets ready while this one still reads its settings: both take 0.1 s."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

from engine.reading import SpawnedReader, pays

GLANCE_BYTES_MAX = 1 << 16
"""A larger file is no configuration, or an odd one."""


def early_reader(config: Path) -> SpawnedReader | None:
    """Start the process if the configuration, at a glance, is of one large local file; whoever asks must close it.

    A glance that was wrong costs nothing but a process: nobody has told it anything. What can be read only once,
    such as a pipe, is left to who reads the settings.
    """
    if "ENGINE_SOURCE__PATH" in os.environ:
        return None
    try:
        facts = config.stat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > GLANCE_BYTES_MAX:
            return None
        path = tomllib.loads(config.read_text("utf-8-sig"))["source"]["path"]
        size = Path(path).stat().st_size
    except (OSError, ValueError, LookupError, TypeError):  # a mistake is told by who reads the settings
        return None
    return SpawnedReader(path=path) if pays(size) else None
