"""The metrics endpoint over real sockets: what it answers, and that nothing of it can stop a run."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.outlets.prometheus import HOST, serving
from tests.outlets.test_prometheus import parsed, value, values
from tests.ports import free_port


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


async def scrape(port: int) -> bytes:
    status, body = await ask(port, b"GET /metrics HTTP/1.0\r\n\r\n")
    assert status.split(" ", 1)[1] == "200 OK"
    return body


async def test_it_shows_what_the_file_shows_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.outlets.prometheus.SNAPSHOT_TIMEOUT_S", 60.0)
    port, retries = free_port(), iter(range(100))
    async with serving(port, lambda: values(retries=next(retries))):
        first, second = [value(parsed((await scrape(port)).decode()), "retries") for _ in range(2)]
        assert first is not None
        assert second == first + 1


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE"])
async def test_it_takes_nothing(method: bytes) -> None:
    port = free_port()
    async with serving(port, values):
        status, _ = await ask(port, method + b" /metrics HTTP/1.0\r\n\r\n")
        assert status.split(" ", 1)[1].startswith("405")


async def test_only_this_machine_can_ask() -> None:
    port = free_port()
    async with serving(port, values):
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.2", port)


async def test_silent_connections_hold_up_neither_others_nor_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    async with serving(port, values):
        silent = [await asyncio.open_connection(HOST, port) for _ in range(20)]
        assert await scrape(port)
    for _, writer in silent:
        writer.close()
    assert capfd.readouterr() == ("", "")  # no log of a library's own


async def test_a_loop_that_is_busy_shows_what_was_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.outlets.prometheus.SNAPSHOT_TIMEOUT_S", 0.0)
    port = free_port()
    async with serving(port, values):
        assert value(parsed((await scrape(port)).decode()), "retries") == 3


async def test_a_port_that_is_taken_is_no_reason_to_stop() -> None:
    with socket.create_server((HOST, 0)) as taken:
        async with serving(taken.getsockname()[1], values):
            pass


async def test_without_a_port_nothing_listens() -> None:
    async with serving(None, values):
        pass
