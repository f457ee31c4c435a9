"""The uploader workers: each chunk to its end, and a stop that leaves what was not begun."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from engine.api.wire import NoReply, Reply
from engine.pipeline.channel import Channel
from engine.pipeline.uploader import upload
from engine.values import Chunk, ChunkResult
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, WatchedChunk, chunk_of, refusing, traffic_of, upload_all
from tests.pipeline.uploads import IDS
from tests.simulation.virtual_time import VirtualLoop, run


def test_a_stop_lets_the_request_in_flight_finish_and_no_other_begin() -> None:
    stop, api = Stop(), FakeBulkApi(latency_s=1.0)

    async def work() -> list[Any]:
        asyncio.get_running_loop().call_later(0.5, stop.request, Interrupted("SIGTERM"))
        chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(10)]
        return await upload_all(chunks, api, traffic_of(stop), workers=2)

    assert len(run(work(), VirtualLoop())) == 2
    assert len(api.sent) == 2


def test_a_stop_ends_every_wait() -> None:
    """Back-off, the wait for the budget, silence, a full house: whatever a worker waits for, it stops at once."""
    for answer in (Reply(429, {"retry-after": "500"}), NoReply("refused"), Reply(503)):
        stop, api = Stop(), FakeBulkApi(behaviour=lambda _, answer=answer: answer)  # type: ignore[misc]  # bound early

        async def work(stop: Stop = stop, api: FakeBulkApi = api) -> float:
            loop = asyncio.get_running_loop()
            loop.call_later(100, stop.request, Interrupted("SIGTERM"))
            chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(20)]
            await upload_all(chunks, api, traffic_of(stop), workers=10)
            return loop.time()

        assert run(work(), VirtualLoop()) == pytest.approx(100, abs=0.01)


def test_cancelled_at_any_await_it_leaves_the_accounts_and_the_turnstile_clean() -> None:
    async def work(turns: int) -> bool:
        stop = Stop()
        traffic = traffic_of(stop)
        api = FakeBulkApi(Reply(503), Reply(429), behaviour=refusing("loan_3"), latency_s=0.1)
        uploading = asyncio.ensure_future(upload_all([chunk_of(*IDS)], api, traffic))
        for _ in range(turns):
            await asyncio.sleep(0.01)
        cancelled = uploading.cancel()
        await asyncio.gather(uploading, return_exceptions=True)
        assert traffic.turnstile.in_flight == 0
        requests = traffic.requests
        assert requests.sent == requests.succeeded + requests.throttled + requests.failed == len(api.sent)
        return cancelled

    turns = 0
    while run(work(turns), VirtualLoop()):
        turns += 1
    assert turns > 50


def test_every_chunk_is_handed_on_with_what_became_of_it() -> None:
    async def work() -> list[ChunkResult]:
        stop, api = Stop(), FakeBulkApi(behaviour=refusing("loan_1"), latency_s=0.1)
        chunks = [chunk_of(f"loan_{seq}", seq=seq) for seq in range(4)]
        return await upload_all(chunks, api, traffic_of(stop), workers=3)

    results = run(work(), VirtualLoop())
    assert {result.chunk.seq: len(result.failures) for result in results} == {0: 0, 1: 1, 2: 0, 3: 0}


def test_a_worker_that_waits_for_more_keeps_no_chunk() -> None:
    async def work() -> None:
        traffic, chunks, results = traffic_of(Stop()), Channel[Chunk](1), Channel[ChunkResult](1)
        settle = traffic.over(FakeBulkApi()).settle
        worker = asyncio.ensure_future(upload(chunks, results, settle=settle, isolation=traffic.isolation))

        async def one_chunk() -> weakref.ref[Chunk]:
            chunk = WatchedChunk(0, ["a"], chunk_of("a").joined, [])
            await chunks.send(chunk)
            assert await results.receive_all() == [ChunkResult(chunk, [])]
            return weakref.ref(chunk)

        chunk = await one_chunk()
        await asyncio.sleep(1)
        gc.collect()
        assert chunk() is None
        await chunks.close()
        await worker

    run(work(), VirtualLoop())


def test_a_chunk_that_is_not_brought_to_its_end_is_left() -> None:
    stop, api = Stop(), FakeBulkApi(refusing("a")(["a"]), Reply(402))  # one of its halves is known, the other not

    async def work() -> list[ChunkResult]:
        return await upload_all([chunk_of("a", "b"), chunk_of("c", seq=1)], api, traffic_of(stop))

    assert run(work(), VirtualLoop()) == []
    assert api.sent == [["a", "b"], ["a"]]


def test_a_worker_whose_run_has_stopped_begins_nothing() -> None:
    stop, api = Stop(), FakeBulkApi()

    async def work() -> list[ChunkResult]:
        stop.request(Interrupted("SIGTERM"))
        return await upload_all([chunk_of("a")], api, traffic_of(stop))

    assert run(work(), VirtualLoop()) == []
    assert api.sent == []
