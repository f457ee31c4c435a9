"""The wiring: every chunk to a durable result, bounded, and stopped in every way without loss."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from engine.api.wire import NoReply
from engine.pipeline.accounts import Accounts
from engine.pipeline.channel import Channel
from engine.pipeline.pipeline import run_pipeline
from engine.values import Chunk, ChunkResult
from engine.values.counts import ChunkCounts
from engine.values.errors import EngineError, Interrupted, SourceUntrusted, StateFailed
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, WatchedChunk, chunk_of, traffic_of
from tests.simulation.virtual_time import VirtualLoop, run


async def produce(chunks: Iterable[Chunk], channel: Channel[Chunk]) -> None:
    """Like the real one, but in the loop."""
    try:
        for chunk in chunks:
            await channel.send(chunk)
    finally:
        await channel.close()


class Run:
    """A pipeline in virtual time, and what became of it."""

    def __init__(self, api: FakeBulkApi, *, workers: int = 3, drain_s: float = 60.0, record_s: float = 0.01) -> None:
        self.api = api
        self.stop = Stop()
        self.loop = VirtualLoop()
        self.durable: list[int] = []
        self.accounts = CountedChunks()
        self.error: EngineError | None = None
        self.fails_at: int | None = None
        self._workers = workers
        self._drain_s = drain_s
        self._record_s = record_s

    def go(
        self,
        chunks: Iterable[Chunk],
        *,
        produce: Callable[..., Any] = produce,
        stop_at: float | None = None,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
        done: Mapping[int, bytes] | None = None,
    ) -> Run:
        async def work() -> None:
            self.traffic = traffic_of(self.stop, workers=self._workers)
            if stop_at is not None:
                self.loop.call_later(stop_at, self.stop.request, Interrupted("SIGTERM"))
            other = asyncio.ensure_future(meanwhile()) if meanwhile else None
            try:
                await run_pipeline(
                    chunks,
                    done=done or {},
                    accounts=self.accounts,
                    api=self.api,
                    traffic=self.traffic,
                    concurrency=self._workers,
                    record=self._record,
                    judge=self._judge,
                    stop=self.stop,
                    drain_timeout_s=self._drain_s,
                    produce=produce,
                )
            except EngineError as error:
                self.error = error
            if other:
                await other
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(work(), self.loop)
        return self

    async def _record(self, results: Sequence[ChunkResult]) -> None:
        await asyncio.sleep(self._record_s)
        seqs = [result.chunk.seq for result in results]
        if self.fails_at in seqs:
            raise StateFailed("the disk is full")
        self.durable += seqs

    def _judge(self) -> None:
        """Whoever judges, judges what is durable."""
        assert self.accounts.counted == self.durable


class CountedChunks(Accounts):
    """Remembers which chunks it has counted, in order."""

    def __init__(self) -> None:
        super().__init__(ChunkCounts())
        self.counted: list[int] = []

    def settle(self, results: Sequence[ChunkResult]) -> None:
        super().settle(results)
        self.counted += [result.chunk.seq for result in results]


def chunks(count: int) -> Iterator[Chunk]:
    for seq in range(count):
        yield chunk_of(f"loan_{seq}", f"loan_{seq}b", seq=seq)


def test_every_chunk_comes_to_a_durable_result() -> None:
    done = Run(FakeBulkApi(latency_s=0.1)).go(chunks(50))
    assert sorted(done.durable) == sorted(done.accounts.counted) == list(range(50))
    assert done.error is None
    assert done.api.in_flight_peak == 3


def test_nothing_is_a_run_too() -> None:
    assert Run(FakeBulkApi()).go([]).durable == []


def test_chunks_that_are_done_already_are_neither_sent_nor_pending() -> None:
    done = Run(FakeBulkApi()).go(chunks(3), done={1: list(chunks(3))[1].digest()})
    assert sorted(done.durable) == [0, 2]
    assert sorted(done.api.sent) == [["loan_0", "loan_0b"], ["loan_2", "loan_2b"]]
    assert done.accounts.read == 6
    assert done.accounts.finished


def test_chunks_without_records_are_counted_without_a_request() -> None:
    done = Run(FakeBulkApi()).go([chunk_of(seq=0), chunk_of("a", seq=1), chunk_of(seq=2)])
    assert sorted(done.durable) == [0, 1, 2]
    assert done.api.sent == [["a"]]


def test_a_later_version_waits_while_the_earlier_one_is_retried_and_the_others_go_on() -> None:
    api = FakeBulkApi(NoReply("reset"), NoReply("reset"), latency_s=0.1)
    first, second = chunk_of("a", "b", seq=0), chunk_of("b", "c", seq=1)
    done = Run(api, workers=2).go([first, second])
    assert api.sent == [["a", "b"]] * 3 + [["b", "c"]]
    assert done.durable == [0, 1]


def test_no_more_chunks_are_begun_and_unfinished_than_there_are_workers() -> None:
    """The journal is slow: what the API has applied and the journal does not know must stay little."""
    api = FakeBulkApi(latency_s=0.01)
    done = Run(api, workers=3, record_s=5.0)
    unknown_to_the_journal: list[int] = []

    async def watch() -> None:
        for _ in range(100):
            await asyncio.sleep(0.1)
            unknown_to_the_journal.append(len(api.sent) - len(done.durable))

    done.go(chunks(20), meanwhile=watch)
    assert max(unknown_to_the_journal) == 3


def test_memory_is_bounded_by_the_formula() -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    peak = 0

    def watched() -> Iterator[Chunk]:
        nonlocal peak
        for seq in range(60):
            chunk = WatchedChunk(seq, [f"loan_{seq}"], chunk_of(f"loan_{seq}").joined, [])
            alive.add(chunk)
            if len(alive) > peak:
                gc.collect()  # not alive, only not yet collected
                peak = max(peak, len(alive))
            yield chunk
            del chunk

    for latency_s, record_s in ((1.0, 0.01), (0.01, 1.0)):
        Run(FakeBulkApi(latency_s=latency_s), workers=4, record_s=record_s).go(watched())
    assert 4 < peak <= 2 * 4 + 5


def test_a_stop_lets_what_is_in_flight_finish_and_nothing_begin() -> None:
    done = Run(FakeBulkApi(latency_s=1.0)).go(chunks(100), stop_at=2.5)
    assert isinstance(done.error, Interrupted)
    assert sorted(done.durable) == list(range(9))
    assert len(done.api.sent) == 9


def test_a_drain_that_takes_too_long_is_cut_short() -> None:
    done = Run(FakeBulkApi(latency_s=100.0), drain_s=5.0).go(chunks(100), stop_at=2.0)
    assert isinstance(done.error, Interrupted)
    assert done.error is done.stop.error
    assert done.durable == []
    assert done.loop.time() == pytest.approx(7.0, abs=0.1)
    assert done.traffic.requests.failed == done.traffic.requests.sent == 3


def test_a_stop_before_the_beginning_sends_nothing() -> None:
    done = Run(FakeBulkApi())
    done.stop.request(Interrupted("SIGTERM"))
    done.go(chunks(10))
    assert isinstance(done.error, Interrupted)
    assert done.api.sent == []


def test_a_stop_does_not_wait_for_a_source_that_waits() -> None:
    async def endless(chunks: Iterable[Chunk], channel: Channel[Chunk]) -> None:
        await channel.send(chunk_of("a"))
        await asyncio.sleep(1e6)

    done = Run(FakeBulkApi(latency_s=0.1)).go([], produce=endless, stop_at=5.0)
    assert isinstance(done.error, Interrupted)
    assert done.durable == [0]
    assert done.loop.time() < 6


def test_a_source_that_fails_keeps_what_was_delivered_and_lets_the_rest_finish() -> None:
    def cut_off() -> Iterator[Chunk]:
        yield from chunks(4)
        raise SourceUntrusted("the gzip file is cut off")

    done = Run(FakeBulkApi(latency_s=1.0), workers=2).go(cut_off())
    assert isinstance(done.error, SourceUntrusted)
    assert sorted(done.durable) == list(range(len(done.api.sent)))
    assert done.durable


def test_a_source_that_fails_at_once_sends_nothing() -> None:
    def broken() -> Iterator[Chunk]:
        raise SourceUntrusted("not readable")
        yield

    done = Run(FakeBulkApi()).go(broken())
    assert isinstance(done.error, SourceUntrusted)
    assert done.api.sent == []


def test_a_journal_that_fails_stops_the_run_at_once_and_counts_nothing_more() -> None:
    done = Run(FakeBulkApi(latency_s=1.0), workers=2)
    done.fails_at = 4
    done.go(chunks(100))
    assert isinstance(done.error, StateFailed)
    assert done.accounts.counted == done.durable
    assert len(done.api.sent) <= 8


def test_a_bug_is_no_engine_error_and_comes_out() -> None:
    api = FakeBulkApi()

    async def update(elements: bytes, campaign_id: str = "") -> Any:
        raise ZeroDivisionError

    api.update = update  # type: ignore[method-assign]  # a bug
    with pytest.raises(ExceptionGroup) as caught:
        Run(api).go(chunks(3))
    assert caught.group_contains(ZeroDivisionError)


def test_cancelled_from_outside_it_leaves_nothing_running() -> None:
    async def work() -> None:
        stop, api = Stop(), FakeBulkApi(latency_s=1.0)

        async def record(results: Sequence[ChunkResult]) -> None:
            await asyncio.sleep(0.01)

        running = asyncio.ensure_future(
            run_pipeline(
                chunks(50),
                done={},
                accounts=Accounts(ChunkCounts()),
                api=api,
                traffic=traffic_of(stop),
                concurrency=3,
                record=record,
                judge=lambda: None,
                stop=stop,
                drain_timeout_s=60,
                produce=produce,
            )
        )
        await asyncio.sleep(2.5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()
        assert api.in_flight == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(work(), VirtualLoop())
