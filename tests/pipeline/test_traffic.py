"""The stack between workers and API: counted once it has its turn, paced retries included, and one memory for all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from engine.api.wire import NoReply, Reply
from engine.pipeline.observed import Attempt
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, chunk_of, traffic_of, updated, upload_all
from tests.pipeline.uploads import Upload
from tests.simulation.virtual_time import VirtualLoop, run


def test_retry_after_silences_every_worker() -> None:
    chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(8)]
    api = FakeBulkApi(Reply(429, {"retry-after": "30"}), latency_s=0.001)
    sent_at: list[float] = []
    update = api.update

    async def timed(lines: bytes) -> Any:
        sent_at.append(asyncio.get_running_loop().time())
        return await update(lines)

    api.update = timed  # type: ignore[method-assign]  # a look from outside
    done = Upload(api, *chunks, workers=2)
    assert done.outcomes() == {}
    assert not [at for at in sent_at if 0.01 < at < 30]
    assert len(sent_at) == 9


@pytest.mark.parametrize("workers", [8, 32])
def test_after_an_outage_the_rate_is_back_within_ten_seconds(workers: int) -> None:
    loops: list[VirtualLoop] = []

    def answer(ids: Sequence[str]) -> Any:
        return NoReply("refused") if 5 <= loops[0].time() < 65 else updated(ids)

    api = FakeBulkApi(behaviour=answer, latency_s=0.1)
    finished: list[Attempt] = []

    async def work() -> None:
        stop = Stop()
        traffic = traffic_of(stop, workers=workers)
        chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(workers * 10 * 40)]
        traffic.observers.append(finished.append)
        await upload_all(chunks, api, traffic, stop, workers=workers)
        assert traffic.availability.retries < 20 + 60 / 4 + 2 * workers  # no storm either

    loops.append(VirtualLoop())
    run(work(), loops[0])
    in_outage = [signal for signal in finished if 15 <= signal.finished_at < 65]
    assert len(in_outage) < 20
    after = [signal for signal in finished if 75 <= signal.finished_at < 80]
    assert len(after) >= 0.95 * 5 * workers * 10
