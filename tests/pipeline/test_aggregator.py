"""The aggregator: durable first, then counted, then let later versions pass."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from engine.pipeline.admission import OrderGate
from engine.pipeline.aggregator import aggregate
from engine.pipeline.channel import Channel
from engine.values import Chunk, ChunkResult
from engine.values.errors import StateFailed
from tests.fakes import WatchedChunk, chunk_of
from tests.simulation.virtual_time import VirtualLoop, run

RESULTS = [ChunkResult(chunk_of(f"loan_{seq}", seq=seq)) for seq in range(4)]


class Recorder:
    """Says what happens, in order."""

    def __init__(self, *, fails: bool = False) -> None:
        self.events: list[str] = []
        self.gate = OrderGate(concurrency=10)
        self._fails = fails

    async def record(self, results: Sequence[ChunkResult]) -> None:
        self.events.append(f"write {_seqs(results)}")
        await asyncio.sleep(1)
        if self._fails:
            raise StateFailed("the disk is full")
        self.events.append(f"durable {_seqs(results)}")

    def count(self, results: Sequence[ChunkResult]) -> None:
        self.events.append(f"count {_seqs(results)}")

    def judge(self) -> None:
        self.events.append(f"judge beside {self.gate!r}")

    def release(self, result: ChunkResult) -> None:
        self.gate.release(result.chunk)

    async def start(self, results: Channel[ChunkResult]) -> asyncio.Task[None]:
        for result in RESULTS:
            await self.gate.admit(result.chunk)
        work = aggregate(results, record=self.record, count=self.count, judge=self.judge, release=self.release)
        return asyncio.ensure_future(work)


def _seqs(results: Sequence[ChunkResult]) -> str:
    return ",".join(str(result.chunk.seq) for result in results)


def test_results_that_arrive_together_become_durable_together_and_then_count() -> None:
    recorder = Recorder()

    async def work() -> None:
        channel: Channel[ChunkResult] = Channel(10)
        task = await recorder.start(channel)
        await channel.send(RESULTS[0])
        await asyncio.sleep(0.5)
        for result in RESULTS[1:]:
            await channel.send(result)
        assert repr(recorder.gate) == "<OrderGate 4/10 chunks, 0 late>"
        await channel.close()
        await task
        assert repr(recorder.gate) == "<OrderGate 0/10 chunks, 0 late>"

    run(work(), VirtualLoop())
    first = ["write 0", "durable 0", "count 0", "judge beside <OrderGate 4/10 chunks, 0 late>"]
    others = ["write 1,2,3", "durable 1,2,3", "count 1,2,3", "judge beside <OrderGate 3/10 chunks, 0 late>"]
    assert recorder.events == first + others


def test_what_could_not_be_made_durable_neither_counts_nor_lets_anybody_pass() -> None:
    recorder = Recorder(fails=True)

    async def work() -> None:
        channel: Channel[ChunkResult] = Channel(10)
        task = await recorder.start(channel)
        await channel.send(RESULTS[0])
        with pytest.raises(StateFailed):
            await task
        assert repr(recorder.gate) == "<OrderGate 4/10 chunks, 0 late>"

    run(work(), VirtualLoop())
    assert recorder.events == ["write 0"]


def test_what_is_being_written_when_it_is_cancelled_counts_all_the_same() -> None:
    recorder = Recorder()

    async def work() -> None:
        channel: Channel[ChunkResult] = Channel(10)
        task = await recorder.start(channel)
        await channel.send(RESULTS[0])
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        await asyncio.sleep(1)

    run(work(), VirtualLoop())
    assert recorder.events == ["write 0", "durable 0", "count 0", "judge beside <OrderGate 4/10 chunks, 0 late>"]


def test_a_write_that_fails_when_nobody_waits_any_more_is_no_lost_error() -> None:
    lost: list[dict[str, Any]] = []

    async def fail(_: Sequence[ChunkResult]) -> None:
        await asyncio.sleep(1)
        raise StateFailed("the disk is full")

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
        channel: Channel[ChunkResult] = Channel(10)
        nothing: Any = lambda *_: None  # noqa: E731
        task = asyncio.ensure_future(aggregate(channel, record=fail, count=nothing, judge=nothing, release=nothing))
        await channel.send(RESULTS[0])
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(1)
        gc.collect()

    run(work(), VirtualLoop())
    assert lost == []


def test_whoever_waits_for_more_results_keeps_none() -> None:
    async def work() -> None:
        gate, channel = OrderGate(concurrency=1), Channel[ChunkResult](1)

        async def one_result() -> weakref.ref[Chunk]:
            chunk = WatchedChunk(0, ["a"], chunk_of("a").joined, [])
            await gate.admit(chunk)
            await channel.send(ChunkResult(chunk))
            return weakref.ref(chunk)

        async def record(results: Sequence[ChunkResult]) -> None: ...

        task = asyncio.ensure_future(
            aggregate(
                channel,
                record=record,
                count=lambda _: None,
                judge=lambda: None,
                release=lambda result: gate.release(result.chunk),
            )
        )
        chunk = await one_result()
        await asyncio.sleep(1)
        gc.collect()
        assert chunk() is None
        await channel.close()
        await task

    run(work(), VirtualLoop())
