"""One command makes the pictures in the documents, of real nights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.chromium import HOW_TO_GET_IT, PROGRAM
from tests.documents import ROOT

KEPT = ROOT / "docs" / "pictures"


@pytest.mark.skipif(PROGRAM is None, reason=HOW_TO_GET_IT)
def test_one_command_makes_every_picture(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "pictures", "--to", str(tmp_path / "pictures"), "--records", "1000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    made = {file.name for file in (tmp_path / "pictures").iterdir()}
    assert made == {file.name for file in KEPT.iterdir()}
    assert all(name in done.stdout for name in made)
