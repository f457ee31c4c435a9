"""The cheapest server that still answers truly: it counts requests, bytes and records, and says that all went well.

It speaks just enough HTTP/1.1 for a client that sends a Content-Length. A record is counted wherever `{"id":` stands,
so data must not contain objects that begin so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import cast

import orjson

from engine.simulator.model.replies import Results, campaigns_body, results_body

HEAD_BYTES_MAX = 65_536
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class SinkStats:
    """What the sink has seen."""

    requests: int = 0
    records: int = 0
    body_bytes: int = 0


class _Connection(asyncio.BufferedProtocol):
    """One connection: reads a head into one buffer, then its body into another, and replies."""

    def __init__(self, stats: SinkStats, campaign: str) -> None:
        self._stats = stats
        self._campaign = campaign
        self._head = bytearray(HEAD_BYTES_MAX)
        self._body = bytearray(4_000_000)
        self._got = 0
        self._length: int | None = None
        """How long the body is; None while the head is still being read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._length is None:
            return memoryview(self._head)[self._got :]
        return memoryview(self._body)[self._got : self._length]

    def buffer_updated(self, nbytes: int) -> None:
        self._got += nbytes
        if self._length is None:
            self._read_head()
        if self._length is not None and self._got >= self._length:
            self._finish(self._length)

    def _read_head(self) -> None:
        """Begin the body once the whole head is there."""
        end = self._head.find(b"\r\n\r\n", 0, self._got)
        if end < 0:
            if self._got == HEAD_BYTES_MAX:
                self._transport.close()
            return
        announced = _CONTENT_LENGTH.search(self._head, 0, end)
        self._is_update = self._head.startswith(b"PUT ")
        self._wants_stats = self._head.startswith(b"GET /_control/stats ")
        self._length = int(announced[1]) if announced else 0
        if self._length > len(self._body):
            self._body = bytearray(self._length)
        begun = self._head[end + 4 : self._got]
        self._body[: len(begun)] = begun
        self._got = len(begun)

    def _finish(self, length: int) -> None:
        """Count a request with a body of that length, and reply."""
        if self._is_update:
            records = self._body.count(b'{"id"', 0, length)  # five bytes: the search for six takes half as long again
            self._stats.requests += 1
            self._stats.records += records
            self._stats.body_bytes += length
            self._reply(results_body(Results(records), "id"))
        elif self._wants_stats:
            self._reply(asdict(self._stats))
        else:
            self._reply(campaigns_body({self._campaign: 0}, page=1, limit=10))
        self._got, self._length = 0, None

    def _reply(self, body: object) -> None:
        text = orjson.dumps(body)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text)
        self._transport.write(head + text)


async def listen(campaign: str, host: str, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    """Listen and return the port, and what ends it."""
    stats = SinkStats()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(stats, campaign), host, port)

    async def close() -> None:
        server.close()

    return server.sockets[0].getsockname()[1], close
