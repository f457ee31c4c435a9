"""The part that the prototypes share: ready bodies from a thread, eight of them in flight, and nothing looked at twice.

It is as lean as a sender can be that uses aiohttp, so what a prototype takes beyond `transport_alone` is its reading.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterable, Iterator

import aiohttp
import uvloop

CONCURRENCY = 8
BODIES_WAITING = 3


def run(bodies: Iterable[bytes]) -> None:
    """Send every body, with the garbage collector off."""
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send_all(iter(bodies)))


def body_of(records: bytes) -> bytes:
    """Put comma-separated records into a request body."""
    return b'{"campaignId":"%b","records":[%b]}' % (os.environ["BENCH_CAMPAIGN"].encode(), records)


async def _send_all(bodies: Iterator[bytes]) -> None:
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(BODIES_WAITING)
    url = os.environ["BENCH_URL"] + "/customer-data/bulk"
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}", "Content-Type": "application/json"}

    async def read() -> None:
        while (body := await asyncio.to_thread(next, bodies, None)) is not None:
            await queue.put(body)
        for _ in range(CONCURRENCY):
            await queue.put(None)

    async def work(session: aiohttp.ClientSession) -> None:
        while (body := await queue.get()) is not None:
            async with session.put(url, data=aiohttp.BytesPayload(body, content_type="application/json")) as response:
                response.raise_for_status()
                await response.read()

    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as group:
        group.create_task(read())
        for _ in range(CONCURRENCY):
            group.create_task(work(session))
