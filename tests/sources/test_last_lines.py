"""A last line without its end, where all others have one: was the file cut?"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from engine.sources.files import open_source
from engine.sources.spec import SourceSpec


def line(id_: str) -> bytes:
    return b'{"id":"%b","data":{"x":1}}\n' % id_.encode()


def notes_of(*paths: str, id: str | None = "id", batch_size: int = 10_000) -> list[str]:
    source = open_source(SourceSpec(paths, id=id), batch_size=batch_size)
    return [note for block in source.blocks() for note in block.notes]


class TestLastLines:
    @pytest.mark.parametrize("batch_size", [1, 2, 10_000])
    @pytest.mark.parametrize(
        ("name", "content", "row"),
        [
            ("p.csv", b"id,x\n1,2\n3,4", 2),
            ("p.tsv", b"id\tx\r\n1\t2\r\n3\t4", 2),
            ("p.csv.gz", gzip.compress(b"id,x\n1,2\n3,4", mtime=0), 2),
            ("p.ndjson", b'{"id":"a","x":1}\n\n{"id":"b","x":2}', 3),
            ("p.ndjson", b'{"id":"a","x":1}\n{"id":"b","x', 2),
        ],
    )
    def test_a_last_line_without_an_end_is_doubted(
        self, tmp_path: Path, name: str, content: bytes, row: int, batch_size: int
    ) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        assert notes_of(str(path), batch_size=batch_size) == [
            f"{path}: its last line has no end, though all others have one; was it cut? (row {row})"
        ]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("p.csv", b"id,x\n1,2\n3,4\n"),
            ("p.csv", b"id,x\r1,2\r"),
            ("p.csv", b"id,x"),
            ("p.ndjson", b'{"id":"a","x":1}'),
            ("p.ndjson", b'{"id":"a","x":1}\n'),
        ],
    )
    def test_other_ends_are_not(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        assert notes_of(str(tmp_path / name)) == []

    def test_once_for_each_file(self, tmp_path: Path) -> None:
        for name in ("a", "b", "c"):
            (tmp_path / f"{name}.csv").write_bytes(b"id,x\n1,2" + (b"\n" if name == "b" else b""))
        assert [note.partition(":")[0] for note in notes_of(f"{tmp_path}/*.csv")] == [
            f"{tmp_path}/a.csv",
            f"{tmp_path}/c.csv",
        ]

    def test_standard_input_has_lines_too(self) -> None:
        source = open_source(SourceSpec(("-",), format="csv", id="id"), stdin=io.BytesIO(b"id,x\n1,2\n3,4"))
        (block,) = source.blocks()
        assert [note.partition(":")[0] for note in block.notes] == ["standard input"]
