"""Reads NDJSON bytes through the real file path, and checks what every reading must keep, whatever the bytes are."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.sources.files import open_source
from engine.sources.spec import SourceSpec
from engine.values import Refusal, place_of

RECORD_BYTES_MAX = 8_000_000


@dataclass
class Reading:
    """All that came of a file: the records with their rows, and the refusals."""

    ids: list[str]
    lines: list[bytes]
    rows: list[int]
    refusals: list[Refusal]
    block_sizes: list[int]

    @property
    def data(self) -> list[Any]:
        return [json.loads(line)["data"] for line in self.lines]

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(refusal.place.row, refusal.reason) for refusal in self.refusals]


def read(
    folder: Path,
    content: bytes,
    *,
    id: str | None = None,
    batch_size: int = 10_000,
    record_bytes_max: int = RECORD_BYTES_MAX,
    **mapping: Any,
) -> Reading:
    """Write `content` to a file, read it as a source, and check the accounts of every block on the way."""
    path = folder / "source.ndjson"
    path.write_bytes(content)
    source = open_source(
        SourceSpec((str(path),), id=id, **mapping), batch_size=batch_size, record_bytes_max=record_bytes_max
    )
    found = Reading([], [], [], [], [])
    for block in source.blocks():
        lines = block.lines.split(b"\n") if block.ids else []
        assert len(lines) == len(block.ids) == sum(span.count for span in block.spans) <= batch_size
        assert block.ids or block.refusals or block.notes
        for id_, line in zip(block.ids, lines, strict=True):
            assert line == line.strip()
            record = json.loads(line.decode())  # strict: no control characters, valid UTF-8
            assert set(record) == {"id", "data"}
            assert record["id"] == id_
            assert id_
            assert isinstance(record["data"], dict)
            assert record["data"]
        found.ids += block.ids
        found.lines += lines
        found.rows += [place_of(block.spans, i).row for i in range(len(lines))]
        found.refusals += block.refusals
        if block.ids or block.refusals:
            found.block_sizes.append(len(block.ids))
        assert all(refusal.place.path == str(path) for refusal in block.refusals)
    return found


def rows_with_something(content: bytes) -> list[int]:
    """The rows (from 1) that are not blank, by the plainest means."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    return [row for row, line in enumerate(content.split(b"\n"), 1) if line.strip(b" \t\r")]
