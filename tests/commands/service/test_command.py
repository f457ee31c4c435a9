"""`service`: it prints units with real paths, or writes them and overwrites none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands.service.command import facts_of
from engine.commands.service.units import UNITS
from engine.settings.loading import from_tables
from engine.values.errors import ConfigError, ExitCode
from tests.commands.service.conftest import CONFIG

TIMEOUT_S = 120


def service(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "engine", "service", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("kind", ["systemd", "supervisord", "kubernetes", "prometheus-alerts"])
def test_the_command_prints_real_paths(kind: str, tmp_path: Path) -> None:
    result = service(tmp_path, kind)
    assert (result.returncode, result.stderr) == (0, "")
    assert str(tmp_path / "config.toml") in result.stdout
    if kind in ("systemd", "supervisord"):
        assert sys.executable in result.stdout


def test_the_command_writes_files_and_overwrites_none(tmp_path: Path) -> None:
    units = tmp_path / "units"
    units.mkdir()
    result = service(tmp_path, "systemd", "-o", "units", "--name", "nightly", "--at", "01:15")
    assert sorted(os.listdir(units)) == ["nightly.service", "nightly.timer"]
    assert "OnCalendar=*-*-* 01:15:00" in (units / "nightly.timer").read_text(encoding="utf-8")
    assert result.stdout.split() == ["units/nightly.service", "units/nightly.timer"]
    again = service(tmp_path, "systemd", "-o", "units", "--name", "nightly")
    assert again.returncode == ExitCode.USAGE
    assert "is there already" in again.stderr


def test_one_directory_holds_all_kinds(tmp_path: Path) -> None:
    units = tmp_path / "units"
    units.mkdir()
    for kind in UNITS:
        assert service(tmp_path, kind, "-o", "units").returncode == 0
    assert sorted(path.suffix for path in units.iterdir()) == [".conf", ".service", ".timer", ".yaml", ".yaml"]


@pytest.mark.parametrize("arguments", [("--at", "25:00"), ("--name", "a b"), ("-c", "none.toml")])
def test_mistakes_are_one_clear_line(arguments: tuple[str, str], tmp_path: Path) -> None:
    result = service(tmp_path, "systemd", *arguments)
    assert result.returncode == ExitCode.USAGE
    assert result.stderr.startswith("engine: ")
    assert result.stdout == ""


def test_standard_input_has_no_place_under_a_supervisor() -> None:
    settings = from_tables({"api": {"campaign_id": "c"}, "source": {"path": "-", "format": "ndjson"}})
    with pytest.raises(ConfigError, match="standard input"):
        facts_of(settings, config=Path("c.toml"), name="x", start_at="02:00")
