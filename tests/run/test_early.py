"""A reader is started early only for what a glance at the configuration shows to be one large local file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.reading.spawned import PAYS_FROM_BYTES
from engine.run.early import GLANCE_BYTES_MAX, early_reader
from tests.processes import is_running, needs_a_reader, readers_of


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    with path.open("wb") as file:
        file.truncate(PAYS_FROM_BYTES)
    return path


def configured(directory: Path, text: str) -> Path:
    path = directory / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


@needs_a_reader
def test_one_large_local_file_is_worth_it(tmp_path: Path, large: Path) -> None:
    spawned = early_reader(configured(tmp_path, f"\ufeff[source]\npath = '{large}'\n[upload]\nno_such_key = 1\n"))
    assert spawned is not None
    try:
        assert is_running(spawned.pid)
        while not (command := Path(f"/proc/{spawned.pid}/cmdline").read_bytes()):
            os.sched_yield()  # it is there a moment before its arguments are
        assert command.endswith(b"%b\0" % os.fsencode(large))
    finally:
        spawned.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[source",
        "source = 1",
        "[source]\nformat = 'csv'",
        "[source]\npath = 0",
        "[source]\npath = ['{}']",
        "[source]\npath = '{}.gone'",
        "[source]\npath = 's3://bucket{}'",
        "[source]\npath = 'small.csv'",
        "[source]\npath = '\\u0000'",
        "[source]\ndatabase = 'sqlite:///{}'\nquery = 'SELECT 1'",
    ],
)
def test_nothing_else_is(text: str, tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.csv").write_text("id,a\n", encoding="utf-8")
    assert early_reader(configured(tmp_path, text.replace("{}", str(large)))) is None


@needs_a_reader
def test_a_configuration_that_can_be_read_only_once_is_left_alone(tmp_path: Path, large: Path) -> None:
    text = f"[source]\npath = '{large}'\n"
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode())
        assert early_reader(Path(f"/dev/fd/{reading}")) is None
        assert os.read(reading, 1_000) == text.encode()
    finally:
        os.close(reading)
        os.close(writing)
    os.mkfifo(tmp_path / "fifo")
    assert early_reader(tmp_path / "fifo") is None
    assert early_reader(large) is None  # a source in its place: it is not read
    assert early_reader(configured(tmp_path, text + "#" * GLANCE_BYTES_MAX)) is None


def test_a_configuration_that_is_none_or_is_overruled_is_for_who_reads_it(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert early_reader(tmp_path / "gone.toml") is None
    assert early_reader(tmp_path) is None
    (tmp_path / "latin.toml").write_bytes(b"# \xfc\n[source]\npath = 'x'\n")
    assert early_reader(tmp_path / "latin.toml") is None
    monkeypatch.setenv("ENGINE_SOURCE__PATH", "other.csv")
    assert early_reader(configured(tmp_path, f"[source]\npath = '{large}'\n")) is None
    assert not readers_of(os.getpid())
