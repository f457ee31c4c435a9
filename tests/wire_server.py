"""A server that speaks HTTP by hand: a test sees every byte and every connection, and can do what no server should."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as it came over the wire; `connection` counts from 1."""

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[WireRequest, asyncio.StreamWriter], Awaitable[None]]
"""Answers a request, or does something else with the connection."""


def response(status: int = 200, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """The bytes of a reply."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def updated(count: int) -> bytes:
    """The bytes of a reply that settles `count` records."""
    results = {"total": count, "successful": count, "failed": 0, "errors": []}
    return response(200, orjson.dumps({"success": True, "results": results}), "Content-Type: application/json")


def always(*pieces: bytes, close: bool = False, reset: bool = False) -> Answer:
    """Answer every request with these bytes."""

    async def answer(_: WireRequest, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if reset:
            writer.transport.abort()
        elif close:
            writer.close()

    return answer


class WireServer(AbstractAsyncContextManager["WireServer"]):
    """Keeps connections open as HTTP/1.1 does, and everything that came over them."""

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None, accept: bool = True) -> None:
        self.requests: list[WireRequest] = []
        self.connections = 0
        self.bytes_received = 0
        self._answer = answer
        self._tls = tls
        self._accept = accept
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> WireServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The address of the API that it stands for."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/api/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        try:
            if self._accept:
                await self._talk(self.connections, reader, writer)
        finally:
            self._tasks.discard(task)
            with suppress(OSError):
                writer.close()

    async def _talk(self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.bytes_received += len(body)
                self.requests.append(WireRequest(connection, method, target, headers, body))
                await self._answer(self.requests[-1], writer)
                if writer.is_closing():
                    return
