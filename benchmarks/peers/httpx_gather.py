"""httpx with `asyncio.gather`: the script that reads everything, makes a task for every chunk, and waits for all."""

# mypy: disable-error-code="import-not-found"
# httpx is a peer, not a dependency of the project.

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import httpx

from benchmarks.peers.reading import record_chunks

CONCURRENCY = 8
RECORDS_PER_REQUEST = 10_000


async def push(kind: str, path: str) -> None:
    """Send every record of the file."""
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"}
    limits = httpx.Limits(max_connections=CONCURRENCY)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=600, trust_env=False) as client:

        async def send(records: list[dict[str, Any]]) -> None:
            url = os.environ["BENCH_URL"] + "/customer-data/bulk"
            reply = await client.put(url, json={"campaignId": os.environ["BENCH_CAMPAIGN"], "records": records})
            reply.raise_for_status()

        await asyncio.gather(*[send(records) for records in record_chunks(kind, path, RECORDS_PER_REQUEST)])


if __name__ == "__main__":
    asyncio.run(push(*sys.argv[1:3]))
