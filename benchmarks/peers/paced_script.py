"""The usual script as it is made ready for an API with limits: a fixed limiter, or retries with back-off alone.

Arguments beyond those of every peer: requests a second (0: no limiter), requests in flight, records a request. After a
429, a 503 or a broken connection a request is sent again, when its Retry-After is over or after exponential back-off
with jitter, eight times in all; then its records are lost, and the script goes on, as such scripts do. Prints how many
requests it has lost.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from typing import Any

import aiohttp
import orjson
from aiolimiter import AsyncLimiter

from benchmarks.peers.reading import record_chunks

ATTEMPTS_MAX = 8
BACKOFF_MAX_S = 30.0


async def push(kind: str, path: str, rate: float, concurrency: int, records_per_request: int) -> int:
    """Send every record of the file; return how many requests were given up."""
    url = os.environ["BENCH_URL"] + "/customer-data/bulk"
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}", "Content-Type": "application/json"}
    free = asyncio.Semaphore(concurrency)
    limiter = AsyncLimiter(1, 1 / rate) if rate else None
    lost = 0

    async def attempt(session: aiohttp.ClientSession, body: bytes) -> tuple[int, float | None]:
        if limiter:
            await limiter.acquire()
        try:
            async with session.put(url, data=body) as response:
                await response.read()
                asked = response.headers.get("Retry-After", "")
                return response.status, float(asked) if asked.isdecimal() else None
        except aiohttp.ClientError:
            return 503, None

    async def send(session: aiohttp.ClientSession, records: list[dict[str, Any]]) -> None:
        nonlocal lost
        body = orjson.dumps({"campaignId": os.environ["BENCH_CAMPAIGN"], "records": records})
        try:
            for number in range(ATTEMPTS_MAX):
                status, asked_s = await attempt(session, body)
                if status == 200:
                    return
                backoff_s = random.uniform(0, min(BACKOFF_MAX_S, 0.5 * 2**number))
                await asyncio.sleep(backoff_s if asked_s is None else asked_s)
            lost += 1
        finally:
            free.release()

    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as group:
        for records in record_chunks(kind, path, records_per_request):
            await free.acquire()
            group.create_task(send(session, records))
    return lost


if __name__ == "__main__":
    _kind, _path, _, _rate, _concurrency, _size = sys.argv[1:7]
    print(asyncio.run(push(_kind, _path, float(_rate), int(_concurrency), int(_size))))
