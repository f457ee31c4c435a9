"""What a database gives, as the lines that would be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.spooling import spool_result
from engine.sources.files import open_source
from engine.sources.spec import SourceSpec
from engine.sources.stored.store import StoredObject

ROW_BYTES_MAX = 8_000_000


def spooled(asked: DatabaseQuery, directory: Path, password: str | None, **options: Any) -> StoredObject:
    """Read a result, without another attempt unless `retry_window_s` is given."""
    return spool_result(
        asked,
        spec_of(asked),
        directory,
        password=lambda: password,
        still_wanted=lambda: None,
        counted=lambda rows: None,
        **({"retry_window_s": 0.0} | options),
    ).file


def lines_of(
    asked: DatabaseQuery, directory: Path, password: str | None, **options: Any
) -> tuple[list[str], list[str]]:
    """Return the lines that would be sent, and why other rows would be refused."""
    return lines_in(spooled(asked, directory, password, **options), spec_of(asked))


def lines_in(file: StoredObject, spec: SourceSpec) -> tuple[list[str], list[str]]:
    source = open_source(spec, files=[file])
    blocks = list(source.blocks())
    lines = [line for block in blocks if block.ids for line in bytes(block.lines).decode().split("\n")]
    return lines, [refusal.reason for block in blocks for refusal in block.refusals]


def spec_of(asked: DatabaseQuery) -> SourceSpec:
    return SourceSpec((asked.label,), format=asked.spool_format, id="id")
