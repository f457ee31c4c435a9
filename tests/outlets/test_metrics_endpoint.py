"""The metrics endpoint over real sockets: what it answers, and that nobody can hold it up."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.outlets.metrics_endpoint import CONNECTIONS_MAX, HOST, serving


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def ask(port: int, request: bytes) -> tuple[str, bytes]:
    """Return the status line and the body of the reply, both empty when there is none."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    except ConnectionError:
        return "", b""
    finally:
        writer.close()
    return head.split(b"\r\n")[0].decode(), body


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /metrics", "HTTP/1.1 200 OK", b"up 1\n"),
        ("GET /metrics?x=1", "HTTP/1.1 200 OK", b"up 1\n"),
        ("HEAD /metrics", "HTTP/1.1 200 OK", b""),
        ("POST /metrics", "HTTP/1.1 405 Method Not Allowed", b""),
        ("GET /", "HTTP/1.1 404 Not Found", b"there is only /metrics\n"),
        ("nonsense", "HTTP/1.1 404 Not Found", b"there is only /metrics\n"),
    ],
)
async def test_what_it_answers(request_line: str, status: str, body: bytes) -> None:
    port = free_port()
    async with serving(port, lambda: "up 1\n"):
        assert await ask(port, f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) == (status, body)
        assert await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n") == ("HTTP/1.1 200 OK", b"up 1\n")


async def test_an_endless_request_gets_no_answer() -> None:
    port = free_port()
    async with serving(port, lambda: "up 1\n"):
        assert await ask(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 1_000_000) == ("", b"")


async def test_silent_connections_are_bounded_and_do_not_outlive_it() -> None:
    port = free_port()
    async with serving(port, lambda: "up 1\n"):
        silent = [await asyncio.open_connection(HOST, port) for _ in range(CONNECTIONS_MAX + 1)]
        assert await silent[-1][0].read() == b""  # one too many
    for reader, writer in silent:
        assert await reader.read() == b""
        writer.close()


async def test_a_port_that_is_taken_is_no_reason_to_stop() -> None:
    with socket.create_server((HOST, 0)) as taken:
        async with serving(taken.getsockname()[1], lambda: ""):
            pass


async def test_without_a_port_nothing_listens() -> None:
    async with serving(None, lambda: ""):
        pass
