"""The operator's own command at the end of a run: real processes."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from engine.outlets.notify_command import run_command
from tests.reports import RUN_ID, partial_report, succeeded_report


def recorder(tmp_path: Path) -> list[str]:
    """Return a command that writes its arguments and its environment to a file."""
    script = "import json,os,sys; json.dump([sys.argv[2:], dict(os.environ)], open(sys.argv[1], 'w')); print('noise')"
    return [sys.executable, "-c", script, str(tmp_path / "seen.json")]


def test_the_command_gets_the_report_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIMEPAY_TOKEN", "canary")
    monkeypatch.setenv("LOCALE", "kept")
    report_path = tmp_path / "runs" / "my report.json"
    command = [*recorder(tmp_path), "an argument; $(no shell)"]
    assert run_command(command, partial_report(), report_path, secret_names=("TIMEPAY_TOKEN",)) is None
    arguments, environment = json.loads((tmp_path / "seen.json").read_text(encoding="utf-8"))
    assert arguments == ["an argument; $(no shell)", str(report_path)]
    assert environment["SYNC_RUN_ID"] == RUN_ID
    assert (environment["SYNC_STATUS"], environment["SYNC_EXIT_CODE"]) == ("partial", "3")
    assert environment["SYNC_REPORT"] == str(report_path)
    assert environment["LOCALE"] == "kept"
    assert "TIMEPAY_TOKEN" not in environment
    assert capfd.readouterr() == ("", "")


def test_a_command_that_fails_is_a_sentence(tmp_path: Path) -> None:
    report = succeeded_report()
    failing = [sys.executable, "-c", "raise SystemExit(7)"]
    assert run_command(failing, report, tmp_path) == "the notify command ended with 7"
    missing = run_command([str(tmp_path / "missing")], report, tmp_path)
    assert missing is not None
    assert missing.startswith("the notify command could not be started: ")


def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    """A grandchild holds the write end of a pipe; that the pipe ends shows that the grandchild is gone, too."""
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    script = f"exec 3>{fifo}; sleep 600 & sleep 600"
    held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    problem = run_command(["sh", "-c", script], succeeded_report(), tmp_path, timeout_s=0.5)
    assert problem == "the notify command was stopped after 0.5 s"
    os.set_blocking(held, True)
    reader = threading.Thread(target=os.read, args=(held, 1), daemon=True)
    reader.start()
    reader.join(60)
    assert not reader.is_alive()
    os.close(held)
