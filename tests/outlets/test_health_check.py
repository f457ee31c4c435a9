"""Pings and commands at the end of a run, against a real server and real processes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from engine.outlets import health_check as notify
from engine.report.source import Unread
from tests.reports import RUN_ID, partial_report, succeeded_report
from tests.wire_server import WireServer, always, updated

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


async def test_a_health_check_behind_tls_must_prove_who_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the certificates of the system, and also where aiohttp has loaded none (`engine/api/certificates.py`)."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    async with WireServer(always(updated(0)), tls=context) as server:
        problem = await notify.ping_start(server.url)
        assert problem is not None
        assert "ClientConnectorCertificateError" in problem
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert await notify.ping_start(server.url) is None
    assert len(server.requests) == 1


async def test_start_success_and_failure_have_their_own_addresses(health_check: HealthCheck) -> None:
    assert await notify.ping_start(health_check.url) is None
    assert await notify.ping_end(health_check.url, succeeded_report()) is None
    assert await notify.ping_end(health_check.url, partial_report()) is None
    assert [path for _, path, _ in health_check.calls] == [f"{CHECK_PATH}/start", CHECK_PATH, f"{CHECK_PATH}/3"]


async def test_a_query_stays_where_it_is(health_check: HealthCheck) -> None:
    assert await notify.ping_start(f"{health_check.url}/?create=1") is None
    assert health_check.calls[0][1] == f"{CHECK_PATH}/start?create=1"


def test_the_body_is_a_summary_without_ids_and_file_names() -> None:
    assert notify.short_summary(partial_report()) == (
        "Finished, but 19 of 4,210,000 records were not accepted.\n"
        f"run {RUN_ID}, exit code 3\n"
        "read 4,210,000, updated 4,208,776, superseded 1,205, invalid 7, rejected 9, unknown 3\n"
        "7 min 30 s, 9,363 records/s, 4,290 requests, 41 throttled\n"
        "8 rejected: emi_due_date: not a date\n"
        "7 invalid: data: not an object\n"
        "3 unknown: the reply names no record\n"
        "1 rejected: no such loan\n"
    )


def test_what_was_not_read_is_told_to_people_elsewhere_too() -> None:
    report = replace(partial_report(), unread=Unread(rows=680_000, bytes=104_000_000))
    assert "unknown 3, not read 680,000 records (104 MB)\n" in notify.short_summary(report)


async def test_a_ping_that_fails_once_is_repeated(health_check: HealthCheck) -> None:
    health_check.replies = [503]
    assert await notify.ping_end(health_check.url, succeeded_report()) is None
    assert len(health_check.calls) == 2


async def test_a_ping_that_fails_is_a_sentence_without_the_address(health_check: HealthCheck) -> None:
    health_check.replies = [404, 404]
    assert await notify.ping_start(health_check.url) == "the health check could not be told: it answered 404"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}{CHECK_PATH}", f"ftp://127.0.0.1{CHECK_PATH}", f"http://[::1{CHECK_PATH}"):
            problem = await notify.ping_start(url)
            assert problem is not None
            assert CHECK_PATH[1:] not in problem


async def test_a_health_check_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with asyncio.timeout(60):
            problem = await notify.ping_start(f"http://127.0.0.1:{silent.getsockname()[1]}/x", timeout_s=0.1)
    assert problem is not None
    assert problem.startswith("the health check could not be told: ")
