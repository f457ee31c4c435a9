"""The ids that come again most often are found among however many others."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.commands import most_repeated as module
from engine.commands.most_repeated import most_repeated, most_repeated_text
from engine.sources import SourceSpec, open_source
from engine.sources.protocol import Source


def source_of(folder: Path, ids: list[str]) -> Source:
    path = folder / "loans.csv"
    path.write_text("\n".join(["name,n", *(f"{each},1" for each in ids)]) + "\n", encoding="utf-8")
    return open_source(SourceSpec(paths=(str(path),), id="name"), batch_size=100, record_bytes_max=1_000)


def test_the_three_that_most_records_have(tmp_path: Path) -> None:
    ids = ["a"] * 4 + ["b"] * 3 + ["c"] * 5 + ["d"] * 2 + ["e"]
    assert most_repeated(source_of(tmp_path, ids)) == [("c", 5), ("a", 4), ("b", 3)]
    assert most_repeated_text(source_of(tmp_path, ids)) == "; most often 'c' (5 times), 'a' (4 times), 'b' (3 times)"
    assert most_repeated(source_of(tmp_path, ids), limit=5) == [("a", 4)]


def test_ids_that_do_not_repeat_are_not_told(tmp_path: Path) -> None:
    assert most_repeated_text(source_of(tmp_path, ["a", "b"])) == ""


def test_memory_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTED_MAX", 150)
    ids = [each for number in range(1_000) for each in (f"id{number}", "again")]
    [(most, count)] = most_repeated(source_of(tmp_path, ids))
    assert (most, count) == ("again", 1_000)
