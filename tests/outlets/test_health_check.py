"""Pings and commands at the end of a run, against a real server and real processes."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.outlets import health_check as notify
from engine.outlets.notify_command import run_command
from tests.reports import RUN_ID, partial_report, succeeded_report

CHECK_PATH = "/0b5c-check-uuid"


@dataclass
class HealthCheck:
    """A server that records what it is told; `replies` are the statuses of the next answers, then always 200."""

    url: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)


@pytest.fixture
def health_check(monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthCheck]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    check = HealthCheck()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            check.calls.append((self.command, self.path, body))
            self.send_response(check.replies.pop(0) if check.replies else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        check.url = f"http://127.0.0.1:{server.server_port}{CHECK_PATH}"
        yield check
        server.shutdown()
        thread.join()


def test_start_success_and_failure_have_their_own_addresses(health_check: HealthCheck) -> None:
    assert notify.ping_start(health_check.url) is None
    assert notify.ping_end(health_check.url, succeeded_report()) is None
    assert notify.ping_end(health_check.url, partial_report()) is None
    assert [path for _, path, _ in health_check.calls] == [f"{CHECK_PATH}/start", CHECK_PATH, f"{CHECK_PATH}/3"]


def test_a_query_stays_where_it_is(health_check: HealthCheck) -> None:
    assert notify.ping_start(f"{health_check.url}/?create=1") is None
    assert health_check.calls[0][1] == f"{CHECK_PATH}/start?create=1"


def test_the_body_is_a_summary_without_ids_and_file_names() -> None:
    assert notify.body(partial_report()) == (
        "Finished, but 19 of 4,210,000 records were not accepted.\n"
        f"run {RUN_ID}, exit code 3\n"
        "read 4,210,000, updated 4,208,776, superseded 1,205, invalid 7, rejected 9, unknown 3\n"
        "7 min 30 s, 9,363 records/s, 4,290 requests, 41 throttled\n"
        "8 rejected: emi_due_date: not a date\n"
        "7 invalid: data: not an object\n"
        "3 unknown: the reply names no record\n"
        "1 rejected: no such loan\n"
    )


def test_a_ping_that_fails_once_is_repeated(health_check: HealthCheck) -> None:
    health_check.replies = [503]
    assert notify.ping_end(health_check.url, succeeded_report()) is None
    assert len(health_check.calls) == 2


def test_a_ping_that_fails_is_a_sentence_without_the_address(health_check: HealthCheck) -> None:
    health_check.replies = [404, 404]
    assert notify.ping_start(health_check.url) == "the health check could not be told: it answered 404"
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}{CHECK_PATH}", f"ftp://127.0.0.1{CHECK_PATH}", f"http://[::1{CHECK_PATH}"):
        problem = notify.ping_start(url)
        assert problem is not None
        assert CHECK_PATH[1:] not in problem


def test_a_health_check_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        problem = notify.ping_start(f"http://127.0.0.1:{silent.getsockname()[1]}/x", timeout_s=0.1)
        assert time.monotonic() - started < 2.0
    assert problem is not None
    assert problem.startswith("the health check could not be told: ")


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
    arguments, environment = json.loads((tmp_path / "seen.json").read_text())
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
    reader = threading.Thread(target=fifo.read_bytes)
    reader.start()
    problem = run_command(["sh", "-c", script], succeeded_report(), tmp_path, timeout_s=0.3)
    reader.join(5.0)
    assert problem == "the notify command was stopped after 0.3 s"
    assert not reader.is_alive()
