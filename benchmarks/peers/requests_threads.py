"""requests in a pool of eight threads, one session each."""

# mypy: disable-error-code="import-not-found, import-untyped"
# requests is a peer, not a dependency of the project.

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from benchmarks.peers.reading import record_chunks

CONCURRENCY = 8
RECORDS_PER_REQUEST = 10_000

_of_thread = threading.local()


def send(records: list[dict[str, Any]]) -> None:
    """Send one chunk."""
    if not hasattr(_of_thread, "session"):
        _of_thread.session = requests.Session()
        _of_thread.session.trust_env = False
        _of_thread.session.headers["Authorization"] = f"Bearer {os.environ['BENCH_TOKEN']}"
    reply = _of_thread.session.put(
        os.environ["BENCH_URL"] + "/customer-data/bulk",
        json={"campaignId": os.environ["BENCH_CAMPAIGN"], "records": records},
        timeout=120,
    )
    reply.raise_for_status()


if __name__ == "__main__":
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for _ in pool.map(send, record_chunks(sys.argv[1], sys.argv[2], RECORDS_PER_REQUEST)):
            pass
