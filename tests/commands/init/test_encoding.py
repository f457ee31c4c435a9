"""Text in another encoding is proposed to be read by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sources import SourceSpec, open_source
from tests.commands.init.proposals import proposed


@pytest.mark.parametrize(
    ("encoding", "proposal"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("cp1252", "windows-1252"),
        ("utf-16", None),  # its mark proves it to a sync, too
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
def test_the_encoding_is_found_and_a_sync_reads_by_it(
    tmp_path: Path, name: str, encoding: str, proposal: str | None
) -> None:
    path = tmp_path / name
    path.write_bytes("id\tname\n1\tZoë\n2\tJürgen\n".encode(encoding))
    source, doubts = proposed(path)
    assert source.get("encoding") == proposal
    assert any("source.encoding" in doubt for doubt in doubts) is (proposal is not None)
    spec = SourceSpec((str(path),), id=source["id"], encoding=proposal, format=source.get("format"))
    [block] = open_source(spec).blocks()
    assert block.lines.decode().endswith('{"id":"2","data":{"name":"Jürgen"}}')


def test_one_row_that_is_no_utf8_makes_no_other_encoding_of_all(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,name\n1,Zoë\n2,Jürgen\n".encode() + b"3,Jos\xe9\n")
    source, doubts = proposed(path)
    assert "encoding" not in source
    assert any("not valid UTF-8 (row 3)" in doubt for doubt in doubts)
