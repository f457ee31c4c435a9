"""`GET /metrics` while a run is under way: a few lines of HTTP on loopback, for a Prometheus on the same machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from engine.outlets.logs import get_logger

HOST = "127.0.0.1"
REQUEST_BYTES_MAX = 8_192
REQUEST_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 16

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def serving(port: int | None, render: Callable[[], str]) -> AsyncIterator[None]:
    """Serve what `render` returns as long as the context lasts; without a `port`, nothing happens.

    Metrics never stop a run: a port that is taken is a warning in the log.
    """
    if port is None:
        yield
        return
    endpoint = MetricsEndpoint(render)
    try:
        server = await asyncio.start_server(endpoint.answer, HOST, port, limit=REQUEST_BYTES_MAX)
    except OSError as error:
        message = f"no metrics at {HOST}:{port} (notify.prometheus_port): {error.strerror or error}"
        get_logger().warning("not_announced", message=message)
        yield
        return
    try:
        yield
    finally:
        server.close()
        await endpoint.close()


class MetricsEndpoint:
    """Answers one request a connection, and knows no other path than `/metrics`."""

    def __init__(self, render: Callable[[], str]) -> None:
        self._render = render
        self._open: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request and write the reply."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        try:
            if len(self._open) < CONNECTIONS_MAX:
                self._open.add(task)
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                    await asyncio.wait_for(self._exchange(reader, writer), REQUEST_TIMEOUT_S)
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        """End the exchanges under way."""
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(self._reply(head.split(b"\r\n", 1)[0]))
        await writer.drain()

    def _reply(self, request_line: bytes) -> bytes:
        method, _, rest = request_line.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != b"/metrics":
            return _response("404 Not Found", "there is only /metrics\n")
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "", "Allow: GET, HEAD")
        return _response("200 OK", self._render(), without_body=method == b"HEAD")


def _response(status: str, text: str, *headers: str, without_body: bool = False) -> bytes:
    body = text.encode()
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {_CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if without_body else body)
