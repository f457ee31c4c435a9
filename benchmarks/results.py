"""What a benchmark leaves behind: a table on the terminal, and JSON and a picture in ./benchmark-results."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

DIRECTORY = Path("benchmark-results")

_LIBRARIES = ("aiohttp", "duckdb", "lmdb", "msgspec", "numpy", "orjson", "polars", "pyarrow", "uvloop")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that is also Markdown, so that it can stand in the documentation. Numbers stand to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    right = [all(_is_number(row[i]) for row in rows) for i in range(len(header))]
    print()
    print(_line(header, widths, right))
    print(_line([_rule(w, r) for w, r in zip(widths, right, strict=True)], widths, right))
    for row in rows:
        print(_line(row, widths, right))
    print(flush=True)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(cells, widths, right, strict=True)]
    return f"| {' | '.join(padded)} |"


def _rule(width: int, right: bool) -> str:
    return "-" * (width - 1) + (":" if right else "-")


def _is_number(text: str) -> bool:
    return text == "–" or text[:1].isdigit() or text.startswith(("+", "-", "−", "×"))


def progress(text: str) -> None:
    """Say on stderr what is being measured now."""
    print(text, file=sys.stderr, flush=True)


def write_results(name: str, arguments: Mapping[str, Any], results: object, picture: str | None = None) -> None:
    """Write `NAME.json` (the results, and what they were measured with) and, if there is a picture, `NAME.svg`."""
    DIRECTORY.mkdir(exist_ok=True)
    document = {
        "benchmark": name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "arguments": {key: value for key, value in arguments.items() if isinstance(value, (str, int, float, list))},
        "results": results,
    }
    written = [DIRECTORY / f"{name}.json"]
    written[0].write_text(json.dumps(document, indent=1) + "\n")
    if picture:
        written.append(DIRECTORY / f"{name}.svg")
        written[1].write_text(picture)
    progress("written: " + ", ".join(map(str, written)))


def machine() -> dict[str, Any]:
    """Return what the numbers depend on, without anything that names the machine."""
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
