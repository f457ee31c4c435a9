"""The usual good script: what an engineer writes in an afternoon with aiohttp, orjson and a semaphore.

Chunks of 10,000 records, eight requests in flight, bounded memory, the status checked. No journal, no look at what the
reply says about single records, no report.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import aiohttp
import orjson

from benchmarks.peers.reading import record_chunks

CONCURRENCY = 8
RECORDS_PER_REQUEST = 10_000


async def push(kind: str, path: str) -> None:
    """Send every record of the file."""
    url = os.environ["BENCH_URL"] + "/customer-data/bulk"
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}", "Content-Type": "application/json"}
    free = asyncio.Semaphore(CONCURRENCY)
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as group:

        async def send(records: list[dict[str, Any]]) -> None:
            try:
                body = orjson.dumps({"campaignId": os.environ["BENCH_CAMPAIGN"], "records": records})
                async with session.put(url, data=body) as response:
                    response.raise_for_status()
                    reply = orjson.loads(await response.read())
                    if not reply["success"]:
                        raise RuntimeError(reply["message"])
            finally:
                free.release()

        for records in record_chunks(kind, path, RECORDS_PER_REQUEST):
            await free.acquire()
            group.create_task(send(records))


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore", ResourceWarning)  # aiohttp would rather stream bodies over 1 MiB
    asyncio.run(push(*sys.argv[1:3]))
