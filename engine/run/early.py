"""The process that reads a large source gets ready while this one still reads its settings: both take 0.1 s."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from engine.reading import SpawnedReader, pays


def early_reader(config: Path) -> SpawnedReader | None:
    """Start the process if the configuration, at a glance, is of one large local file; whoever asks must close it.

    A glance that was wrong costs nothing but a process: nobody has told it anything.
    """
    if "ENGINE_SOURCE__PATH" in os.environ:
        return None
    try:
        path = tomllib.loads(config.read_text("utf-8-sig"))["source"]["path"]
        size = Path(path).stat().st_size
    except (OSError, ValueError, LookupError, TypeError):  # a mistake is told by who reads the settings
        return None
    return SpawnedReader(path=path) if pays(size) else None
