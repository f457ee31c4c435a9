"""Which format a source is in is told by the names of its files; files of several formats are no source."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.commands.init.source import survey
from engine.values.errors import ConfigError


@pytest.mark.parametrize("pattern", ["", "/", "/*", "/**"])
def test_files_of_different_formats_are_one_mistake(tmp_path: Path, pattern: str) -> None:
    for name in ("a.csv", "b.csv.gz", "c.NDJSON", "d.parquet", "notes"):
        (tmp_path / name).write_bytes(b"loan_id\n1\n")
    with pytest.raises(ConfigError, match=r"tell different formats \(csv, ndjson, parquet\), .*DIRECTORY/\*\.csv"):
        survey([f"{tmp_path}{pattern}"])
    with pytest.raises(ConfigError, match=r"different formats \(csv, ndjson\)"):
        survey([f"{tmp_path}/a.csv", f"{tmp_path}/c.NDJSON"])
