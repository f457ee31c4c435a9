"""How the program says it is started again, and how it starts processes of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engine.values.invocation import COMMAND, MODULE, module_again, program, program_again, python_path


@pytest.mark.parametrize("started_as", ["/somewhere/engine/__main__.py", "-c", "", "/usr/bin/pytest"])
def test_a_module_is_started_as_a_module(started_as: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [started_as, "sync"])
    assert program() == MODULE
    assert program_again() == [sys.executable, "-P", "-m", "engine"]


def script_in(directory: Path) -> Path:
    directory.mkdir()
    script = directory / COMMAND
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    script.chmod(0o700)
    return script


def test_the_command_is_called_by_its_name_where_path_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = script_in(tmp_path / "bin")
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == COMMAND
    assert program_again() == [str(script)]


@pytest.mark.parametrize("path", ["", "other"])
def test_the_command_is_called_by_its_path_where_its_name_is_another_or_nothing(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, other = script_in(tmp_path / "my bin"), script_in(tmp_path / "other")
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(other.parent) if path else str(tmp_path))
    assert shlex.split(program()) == [str(script)]


def test_a_module_is_this_packages_own_whatever_the_working_directory_holds(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": python_path()}
    command = [*module_again("engine"), "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("bulk-sync-engine ")


def test_a_path_that_was_given_stays_behind_the_packages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/theirs")
    ours, theirs = python_path().split(os.pathsep)
    assert (Path(ours) / "engine" / "__init__.py").is_file()
    assert theirs == "/theirs"
