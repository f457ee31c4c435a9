"""Files, and what `init` proposes for them."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Any

from engine.commands.init.command import propose, render
from engine.commands.init.source import survey
from engine.settings.loading import from_tables


def proposed(*paths: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the [source] table that is proposed for the files, and the doubts."""
    proposal = propose(survey([str(path) for path in paths]))
    tables = tomllib.loads(render(proposal, "c-1"))
    from_tables(tables)  # whatever is proposed must load
    return tables["source"], proposal.doubts


def write_csv(path: Path, header: list[str], *rows: list[str], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path
