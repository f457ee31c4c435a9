"""What several commands share: `-c`, counts, and the way in which results leave."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from pathlib import Path

import pytest

from engine.commands.arguments import add_config_argument, count, write_result


def test_the_configuration_is_config_toml_unless_told() -> None:
    parser = argparse.ArgumentParser()
    add_config_argument(parser)
    assert parser.parse_args([]).config == Path("config.toml")
    assert parser.parse_args(["-c", "night.toml"]).config == Path("night.toml")


@pytest.mark.parametrize("text", ["0", "-1", "+1", "1.0", "1e3", "", " 1", "١", "many"])
def test_a_count_is_a_whole_number_from_1_on(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="whole number from 1 on"):
        count(text)


def test_a_count() -> None:
    assert [count("1"), count("007")] == [1, 7]


def test_a_result_ends_its_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    write_result("one")
    write_result("two\n")
    assert capsys.readouterr().out == "one\ntwo\n"


class FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_does_not_undo_a_run(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    write_result("lost")
    assert [record.getMessage() for record in caplog.records] == ["result_not_written"]
