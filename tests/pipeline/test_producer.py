"""The producer: chunks from a thread into the channel, errors and ends included; what a resumed run skips."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import repeat

import pytest

from engine.pipeline.channel import Channel
from engine.pipeline.producer import produce, skip_done
from engine.values import Chunk, JoinedLines, Place, Refusal
from engine.values.errors import SourceUntrusted
from tests.fakes import chunk_of


async def receive(channel: Channel[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in channel]


async def test_all_chunks_arrive_in_order_from_another_thread() -> None:
    channel: Channel[Chunk] = Channel(2)
    threads: set[tuple[str, bool]] = set()

    def read() -> Iterator[Chunk]:
        for seq in range(20):
            thread = threading.current_thread()
            threads.add((thread.name, thread.daemon))
            yield chunk_of(f"loan_{seq}", seq=seq)

    received, _ = await asyncio.gather(receive(channel), produce(read(), channel))
    assert [chunk.seq for chunk in received] == list(range(20))
    assert threads == {("producer", True)}


async def test_it_reads_no_further_ahead_than_the_channel_takes() -> None:
    channel: Channel[Chunk] = Channel(2)
    read_so_far: list[int] = []
    waits_for_room = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> Iterator[Chunk]:
        for seq in range(100):
            read_so_far.append(seq)
            if seq == 2:
                loop.call_soon_threadsafe(waits_for_room.set)
            yield chunk_of(f"loan_{seq}", seq=seq)

    production = asyncio.ensure_future(produce(read(), channel))
    await waits_for_room.wait()
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert read_so_far == [0, 1, 2]
    production.cancel()
    await asyncio.gather(production, return_exceptions=True)


async def test_an_error_of_the_source_comes_out_and_what_is_left_in_the_channel_is_dropped() -> None:
    channel: Channel[Chunk] = Channel(2)

    def read() -> Iterator[Chunk]:
        yield chunk_of("loan_1")
        raise SourceUntrusted("the gzip file is cut off")

    with pytest.raises(SourceUntrusted, match="cut off"):
        await produce(read(), channel)
    assert await receive(channel) == []


async def test_a_closed_channel_ends_it_quietly() -> None:
    channel: Channel[Chunk] = Channel(1)
    production = asyncio.ensure_future(produce(repeat(chunk_of("loan_1")), channel))
    await channel.__anext__()
    await channel.close(discard=True)
    await production
    for thread in threading.enumerate():
        if thread.name == "producer":
            await asyncio.to_thread(thread.join, 60)
            assert not thread.is_alive()


async def test_cancelled_it_does_not_wait_for_a_source_that_waits() -> None:
    channel: Channel[Chunk] = Channel(1)
    reading, more = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def read() -> Iterator[Chunk]:
        loop.call_soon_threadsafe(reading.set)
        more.wait(120)  # standard input that stays open and silent
        yield chunk_of("loan_1")

    production = asyncio.ensure_future(produce(read(), channel))
    await reading.wait()
    production.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(production, return_exceptions=True)
    assert production.cancelled()
    assert await receive(channel) == []
    more.set()


@pytest.mark.parametrize("chunks", [[], [chunk_of("a")]], ids=["ends", "goes on"])
@pytest.mark.parametrize("loop", ["rests", "is closed"])
def test_a_source_that_outlives_its_loop_is_left_quietly(chunks: list[Chunk], loop: str) -> None:
    more = threading.Event()

    def read() -> Iterator[Chunk]:
        more.wait(60)
        yield from chunks

    async def give_up() -> threading.Thread:
        before = threading.enumerate()
        production = asyncio.ensure_future(produce(read(), Channel(1)))
        await asyncio.sleep(0)
        [thread] = [each for each in threading.enumerate() if each not in before]
        production.cancel()
        await asyncio.gather(production, return_exceptions=True)
        return thread

    with asyncio.Runner() as runner:
        thread = runner.run(give_up())
        if loop == "is closed":
            runner.close()
        more.set()
        thread.join(60)
        assert not thread.is_alive()  # what it raises, if anything, fails the test


CHUNKS = [chunk_of(f"a{seq}", f"b{seq}", seq=seq) for seq in range(5)]


def skip(chunks: list[Chunk], *done: int) -> tuple[list[int], list[int]]:
    skipped: list[Chunk] = []
    left = list(skip_done(chunks, {seq: CHUNKS[seq].digest() for seq in done}, skipped.append))
    return [chunk.seq for chunk in left], [chunk.seq for chunk in skipped]


@pytest.mark.parametrize("done", [(), (0, 1), (1, 3), (4,), (0, 1, 2, 3, 4)])
def test_chunks_with_a_durable_result_are_skipped(done: tuple[int, ...]) -> None:
    assert skip(CHUNKS, *done) == ([seq for seq in range(5) if seq not in done], list(done))


def test_a_changed_chunk_is_noticed_with_its_place() -> None:
    changed = [*CHUNKS[:2], chunk_of("a2", "other", seq=2), *CHUNKS[3:]]
    with pytest.raises(SourceUntrusted, match=r"changed .*portfolio\.ndjson, from row 1.*--fresh"):
        skip(changed, 2)
    assert skip(changed, 3) == ([0, 1, 2, 4], [3])  # what has no result yet may be anything


def test_a_changed_chunk_without_records_has_no_place() -> None:
    refused = Chunk(0, [], JoinedLines(b""), [], [Refusal("bad", Place("f", 1))])
    with pytest.raises(SourceUntrusted, match=r"^the source has changed since this run was interrupted; restore it"):
        list(skip_done([refused], {0: Chunk(0, [], JoinedLines(b""), []).digest()}, lambda _: None))


def test_a_shorter_source_is_noticed() -> None:
    with pytest.raises(SourceUntrusted, match="shorter"):
        skip(CHUNKS[:3], 1, 3)
