"""How a request is read from the wire and how a reply leaves on it, with the faults that only bytes can commit."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import Iterable
from email.utils import formatdate
from functools import cache
from itertools import chain, repeat
from typing import NoReturn

from aiohttp import web

from engine.simulator.model.faults import Fault, Strike
from engine.simulator.model.replies import Reply

BOMB_BYTES = 1_000_000_000
"""How long a huge reply is, and how long a gzip bomb becomes."""
PIECE_BYTES = 1_000_000
TRICKLE_S = 0.05
"""The pause between two bytes of an endless reply."""


async def read_body(request: web.Request, bytes_max: int, stop_half_way: bool) -> bytes | None:
    """Read the body of a request; None if it is longer than `bytes_max` (0: any length) or `stop_half_way` was asked.

    A body that is too long is read and forgotten, so that the client gets to read the reply.
    """
    announced = request.content_length or 0
    too_long = 0 < bytes_max < announced
    pieces, got = [], 0
    async for piece in request.content.iter_any():
        got += len(piece)
        if stop_half_way and got >= announced // 2:
            return None
        too_long = too_long or 0 < bytes_max < got
        if not too_long:
            pieces.append(piece)
    return None if too_long else b"".join(pieces)


def reset(transport: asyncio.Transport | None) -> None:
    """End a connection without manners: the client sees a reset, not an end."""
    if transport:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def drop(request: web.Request) -> NoReturn:
    """Reset the connection and wait to be cancelled for it."""
    reset(request.transport)
    await silence()


async def silence() -> NoReturn:
    """Say nothing until the connection is gone."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody ends the silence but a cancellation")


async def send(request: web.Request, reply: Reply, strike: Strike | None, clock: float) -> web.StreamResponse:
    """Send a reply, in the way of the fault that struck the request. `clock` (seconds since 1970) is its Date."""
    headers = {"Date": formatdate(clock, usegmt=True), "Content-Type": reply.content_type, **dict(reply.headers)}
    stream = web.StreamResponse(status=reply.status, headers=headers)
    match strike.fault if strike else None:
        case Fault.RESET_AFTER_BODY | Fault.RESET_AFTER_APPLY:
            await drop(request)
        case Fault.HANG | Fault.HANG_AFTER_APPLY:
            await silence()
        case Fault.TRUNCATED_REPLY:
            return await _send_and_close(request, stream, reply.body, len(reply.body) // 2)
        case Fault.CLOSE_AFTER_REPLY:
            return await _send_and_close(request, stream, reply.body, len(reply.body))
        case Fault.ENDLESS_REPLY:
            return await _send_pieces(request, stream, chain([reply.body[:-1]], repeat(b" ")), TRICKLE_S)
        case Fault.HUGE_REPLY:
            spaces = repeat(b" " * PIECE_BYTES, BOMB_BYTES // PIECE_BYTES)
            return await _send_pieces(request, stream, chain([reply.body[:-1]], spaces, [reply.body[-1:]]))
        case Fault.GZIP_BOMB:
            bomb = await asyncio.to_thread(gzip_bomb)
            return web.Response(status=reply.status, body=bomb, headers=headers | {"Content-Encoding": "gzip"})
        case Fault.NOT_JSON:
            return web.Response(status=reply.status, body=b"OK: " + reply.body[:20], headers=headers)
    return web.Response(status=reply.status, body=reply.body, headers=headers)


async def _send_and_close(
    request: web.Request, response: web.StreamResponse, body: bytes, length: int
) -> web.StreamResponse:
    """Announce the whole body, send so much of it, and close the connection without having said so."""
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[:length])
    if request.transport:
        request.transport.close()
    return response


async def _send_pieces(
    request: web.Request, response: web.StreamResponse, pieces: Iterable[bytes], pause_s: float = 0.0
) -> web.StreamResponse:
    """Send a reply piece by piece, with a pause after each."""
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
        await asyncio.sleep(pause_s)
    return response


@cache
def gzip_bomb() -> bytes:
    """Return 1 MB of gzip that unpacks to 1 GB of spaces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = b" " * PIECE_BYTES
    # A full flush ends on a byte and forgets what came before, so the packed piece may be repeated as it is.
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    pieces = BOMB_BYTES // PIECE_BYTES
    checksum = 0
    for _ in range(pieces):
        checksum = zlib.crc32(piece, checksum)
    header = b"\x1f\x8b\x08\x00" + bytes(6)
    return header + packed * pieces + packer.flush() + struct.pack("<II", checksum, BOMB_BYTES)
