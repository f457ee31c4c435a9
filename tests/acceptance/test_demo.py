"""The demo as a person runs it: one command that ends with a proof, or stops cleanly on Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

WAIT_S = 120


def demo(directory: Path, records: int) -> list[str]:
    return [sys.executable, "-m", "engine", "demo", f"--records={records}", "--keep", str(directory)]


def test_it_delivers_the_portfolio_and_proves_it(tmp_path: Path) -> None:
    environ = os.environ | {"ENGINE_API__URL": "http://127.0.0.1:9/api/v1"}  # as somebody has who runs it every night
    done = subprocess.run(demo(tmp_path / "d", 25_000), env=environ, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROVEN: of 25,000 records in the portfolio, 25,000 are on the stand-in" in done.stdout
    assert "PROVEN: of 24,995 records in the portfolio, 24,995 are on the stand-in" in done.stdout
    assert "Of the 5 that are gone from the portfolio, 5 are closed there." in done.stdout
    paths = sorted((tmp_path / "d" / "state" / "runs").glob("*/report.json"))
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    assert (first["status"], first["records"]["updated"], first["requests"]["sent"]) == ("succeeded", 25_000, 3)
    assert (second["status"], second["records"]["updated"], second["requests"]["sent"]) == ("succeeded", 500, 2)
    assert (second["records"]["unchanged"], second["gone"]["updated"]) == (24_495, 5)
    assert str(paths[1]) in done.stdout
    assert (tmp_path / "d" / "token").read_text(encoding="utf-8") not in done.stdout + done.stderr


def test_it_can_be_run_again_in_the_same_place(tmp_path: Path) -> None:
    for _ in range(2):
        done = subprocess.run(demo(tmp_path / "d", 500), capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 0, done.stdout + done.stderr


def control(port: int, path: str, body: object = None) -> None:
    """Say something to the stand-in of a demo."""
    data = None if body is None else json.dumps(body).encode()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/_control/{path}", data, timeout=WAIT_S).close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_everything_it_started(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        demo(tmp_path / "d", 200_000),  # more chunks than are in flight at once
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdout
    for line in process.stdout:
        address = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if address:
            break
    assert address
    port = int(address[1])
    control(port, "settings", {"hold": "before-reply"})
    control(port, "wait?held=1&timeout_s=60")
    process.send_signal(number)
    assert process.stderr
    assert any('"stopping"' in line for line in process.stderr)
    control(port, "settings", {"hold": "nothing"})
    output, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75, output + errors
    assert "PROVEN" not in output
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), WAIT_S)
    [report] = (tmp_path / "d" / "state" / "runs").glob("*/report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["status"] == "interrupted"
