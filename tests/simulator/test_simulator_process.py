"""The stand-in as a process: how it starts, stops, and says that a flag means nothing."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest

from engine.simulator.process import StandInProcess
from tests.stand_in import WAIT_S, body_of, connect, put, records, request_bytes, send_raw, stand_in


@pytest.mark.parametrize("flags", [{}, {"sink": True}])
def test_it_stops_cleanly_when_told_to_or_left_alone(flags: dict[str, Any]) -> None:
    with stand_in(**flags) as server:
        assert server.stop() == 0
    with stand_in(**flags) as server:
        assert server._process.stdin
        server._process.stdin.close()
        assert server.wait_for_end() == 0


def test_it_stops_on_ctrl_c_even_while_a_request_hangs() -> None:
    with stand_in(fault="hang") as server, send_raw(server, records("x")):
        server.wait(answered=1)
        server._process.send_signal(signal.SIGINT)
        assert server.wait_for_end() == 0


def test_the_sink_counts_and_agrees() -> None:
    with stand_in(sink=True) as server:
        body = body_of(server, records(*(f"s{i}" for i in range(10_000))))
        head, _ = request_bytes(server, body)
        with connect(server) as connection:
            for _ in range(2):
                connection.sendall(head[:7])
                connection.sendall(head[7:] + body[:100])
                connection.sendall(body[100:])
                reply = json.loads(connection.recv(100_000).partition(b"\r\n\r\n")[2])
                assert (reply["success"], reply["results"]["total"]) == (True, 10_000)
        assert server.stats() == {"requests": 2, "records": 20_000, "body_bytes": 2 * len(body)}


def test_counting_only_keeps_the_limits_but_no_state() -> None:
    with stand_in(count_only=True, rate=0.01, burst=1) as server:
        assert put(server, records("a", "b")).json["results"]["successful"] == 2
        assert put(server, records("a", "b")).status == 429
        assert (server.stats()["records"], server.stats()["ids"]) == (2, 0)


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--fault=nonsense", "nonsense"),
        ("--outage=5", "outage"),
        ("--token-file=/no/such", "/no/such"),
        ("--port=1", "listen"),
    ],
)
def test_a_flag_that_means_nothing_is_one_clear_error(flag: str, named: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "simulate", "--host=192.0.2.1", flag], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_mean_nothing_are_refused_and_change_nothing(server: StandInProcess) -> None:
    for changes in ({"nonsense": 1}, {"rate": "x"}, {"capacity": True}, {"error_shape": "x"}, {"fault": ["x"]}):
        with pytest.raises(HTTPError, match="400"):
            server.change(**changes)
    assert put(server, records("x")).status == 200


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_tls(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(cert), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    with stand_in(tls_cert=cert, tls_key=key) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(cert))
        parts = urlsplit(server.url)
        connection = http.client.HTTPSConnection(f"{parts.hostname}:{parts.port}", timeout=WAIT_S, context=context)
        headers = {"Authorization": f"Bearer {server.token}"}
        connection.request("PUT", f"{parts.path}/customer-data/bulk", body_of(server, records("x")), headers)
        assert connection.getresponse().status == 200
        connection.close()
