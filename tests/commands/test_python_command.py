"""The interpreter as a person types it: by its name where that leads to it, else by its path."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands.python_command import python_command


def test_in_an_active_environment_it_has_its_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert python_command() == "python"


@pytest.mark.parametrize("on_the_path", ["nothing", "another"])
def test_elsewhere_its_path_works_as_it_is_printed(
    on_the_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_the_path == "another":
        (tmp_path / "python").write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
        (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if on_the_path == "another" else str(tmp_path))
    command = python_command()
    assert shlex.split(command) == [sys.executable]
    assert subprocess.run(["/bin/sh", "-c", f"{command} -c pass"], check=False).returncode == 0


def test_a_path_with_a_space_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/my tools/python")
    assert python_command() == "'/my tools/python'"
