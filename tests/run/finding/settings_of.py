"""Settings for a look at one source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.settings import Settings, from_tables


def settings_of(home: Path, source: dict[str, Any], **tables: dict[str, Any]) -> Settings:
    """Return settings whose state directory is `home`/state."""
    api = {"campaign_id": "camp"}
    return from_tables({"api": api, "source": source, "state": {"dir": str(home / "state")}, **tables})
