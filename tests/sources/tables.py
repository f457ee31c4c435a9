"""Reads a CSV, TSV or Parquet file as a source, and checks on the way what every block must keep."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.sources.files import open_source
from engine.sources.spec import SourceSpec
from engine.values import Refusal, place_of
from engine.values.errors import SourceUntrusted

RECORD_BYTES_MAX = 8_000_000


@dataclass
class TableReading:
    """All that came of a file. Numbers with a fraction are read as exact decimals."""

    ids: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    block_sizes: list[int] = field(default_factory=list)
    source_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    damage: str | None = None

    @property
    def data(self) -> list[Any]:
        return [json.loads(line, parse_float=Decimal)["data"] for line in self.lines]

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(refusal.place.row, refusal.reason) for refusal in self.refusals]


def read_file(
    path: Path,
    *,
    id: str | None = "id",
    batch_size: int = 10_000,
    record_bytes_max: int = RECORD_BYTES_MAX,
    **mapping: Any,
) -> TableReading:
    """Read a file. If it is damaged, say so beside what was read before."""
    source = open_source(
        SourceSpec((str(path),), id=id, **mapping), batch_size=batch_size, record_bytes_max=record_bytes_max
    )
    found = TableReading()
    try:
        for block in source.blocks():
            lines = block.lines.split(b"\n") if block.ids else []
            assert len(lines) == len(block.ids) == sum(span.count for span in block.spans) <= batch_size
            for id_, line in zip(block.ids, lines, strict=True):
                record = json.loads(line.decode())  # strict: no control characters, valid UTF-8
                assert list(record) == ["id", "data"]
                assert record["id"] == id_ != ""
                assert record["data"]
            found.ids += block.ids
            found.lines += lines
            found.rows += [place_of(block.spans, i).row for i in range(len(lines))]
            found.refusals += block.refusals
            found.block_sizes.append(len(block.ids))
            found.source_bytes += block.source_bytes
            found.notes += block.notes
    except SourceUntrusted as damage:
        found.damage = str(damage)
    places = sorted([*found.rows, *[refusal.place.row for refusal in found.refusals]])
    assert places == list(range(1, len(places) + 1))  # every row is accounted for, once
    for refusal in found.refusals:
        assert refusal.place.path == str(path)
        if refusal.data is not None:
            json.loads(refusal.data)
    return found


def read_text(folder: Path, content: bytes | str, *, name: str = "source.csv", **mapping: Any) -> TableReading:
    """Write `content` to a file and read it."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, **mapping)
