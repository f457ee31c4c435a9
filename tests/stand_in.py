"""The stand-in for tests: a real server in a process of its own, with the flags that a test needs.

    with stand_in(reject="loan_7", latency_ms=50) as server:
        ...  # server.url, server.campaign_id, server.token
        assert server.state()["loan_8"] == {...}

Inside a running event loop, call the blocking methods through `asyncio.to_thread`.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from engine.simulator.process import StandInProcess

WAIT_S = 60
"""How long a test waits for what should be there at once, on a machine that is as busy as can be."""

SEED = 20261123
"""Whatever the stand-in does at random, it does the same way each time."""


def stand_in(**settings: Any) -> StandInProcess:
    """Start a stand-in with these settings: `fault="hang"` is `--fault hang`, `True` a bare flag, a list repeats."""
    return StandInProcess(*flags_of({"seed": SEED} | settings))


def flags_of(settings: dict[str, Any]) -> list[str]:
    """Return the flags that say the same as these settings."""
    flags = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        for one in value if isinstance(value, list | tuple) else [value]:
            flags += [flag] if one is True else [f"{flag}={one}"]
    return flags


def let_through(server: StandInProcess, count: int) -> None:
    """Give so many replies that the stand-in holds, and return when one more is held: its client cannot be done."""
    while count:
        server.wait(held=1)
        count -= server.release(count)
    server.wait(held=1)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def records(*ids: object, **data: object) -> list[dict[str, object]]:
    return [{"id": id_, "data": data or {"payment_status": "paid"}} for id_ in ids]


def fresh_ids(count: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{random.getrandbits(64):x}" for _ in range(count)]


def request_bytes(server: StandInProcess, body: bytes, **headers: str) -> tuple[bytes, bytes]:
    path = urlsplit(server.url).path
    fields_ = {"Host": "x", "Authorization": f"Bearer {server.token}", "Content-Length": str(len(body))} | headers
    head = f"PUT {path}/customer-data/bulk HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields_.items()) + "\r\n"
    return head.encode(), body


def body_of(server: StandInProcess, records: object) -> bytes:
    return orjson.dumps({"campaignId": server.campaign_id, "records": records})


def connect(server: StandInProcess) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), WAIT_S)


def put_body(server: StandInProcess, body: bytes, method: str = "PUT", **headers: str) -> Answer:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(f"{parts.hostname}:{parts.port}", timeout=WAIT_S)
    try:
        all_headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"} | headers
        connection.request(method, f"{parts.path}/customer-data/bulk", body, all_headers)
        reply = connection.getresponse()
        return Answer(reply.status, dict(reply.getheaders()), reply.read())
    finally:
        connection.close()


def put(server: StandInProcess, records: object, **headers: str) -> Answer:
    return put_body(server, body_of(server, records), **headers)


def send_raw(server: StandInProcess, records: object) -> socket.socket:
    """Send a whole request and leave its reply to be read."""
    connection = connect(server)
    connection.sendall(b"".join(request_bytes(server, body_of(server, records))))
    return connection


def read_all(connection: socket.socket, bytes_max: int = 10_000_000) -> bytes:
    got = b""
    while len(got) < bytes_max and (piece := connection.recv(1_000_000)):
        got += piece
    return got
