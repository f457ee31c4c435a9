"""The pipeline: producer → chunker → uploader workers → aggregator, wired in one place. Read this first.

    source ─► produce(cut(…)) ─► chunks ─► admit ─► ready ─► upload × n ─► results ─► aggregate ─► journal
               thread             channel   order    channel  the network   channel    durable

Data flows left to right through bounded channels; nothing flows back but results. The order gate lets through as many
chunks as there are workers (n) and waits for a durable result before the next. So no more than these can have been sent
without a trace when the process is killed, and so the memory is bounded by 2 n + 5 chunks: those that were let through,
for a moment as many whose results have just become durable, the queue before the gate, one on each side of it, and the
one being cut. Each is at most `upload.max_body_bytes` plus its ids. Before the first of them passes, a guard may hold
back some (`engine/run/superseded.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from engine.api import BulkApi
from engine.pipeline.accounts import Accounts
from engine.pipeline.admission import OrderGate
from engine.pipeline.aggregator import aggregate
from engine.pipeline.channel import Channel
from engine.pipeline.producer import produce, skip_done
from engine.pipeline.traffic import Traffic
from engine.pipeline.uploader import nothing, upload
from engine.pipeline.witnesses import Witnesses
from engine.values import Chunk, ChunkResult, EngineError, Interrupted, Stop

CHUNKS_QUEUED = 2

Produce = Callable[[Iterable[Chunk], Channel[Chunk]], Coroutine[Any, Any, None]]


async def run_pipeline(
    chunks: Iterable[Chunk],
    *,
    done: Mapping[int, bytes],
    without_failures: Container[int] = (),
    accounts: Accounts,
    api: BulkApi,
    traffic: Traffic,
    concurrency: int,
    record: Callable[[Sequence[ChunkResult]], Awaitable[None]],
    judge: Callable[[], None],
    stop: Stop,
    drain_timeout_s: float,
    produce: Produce = produce,
    inspect: Callable[[Iterable[Chunk]], Iterable[Chunk]] = iter,
    before: Callable[[Chunk], Awaitable[None]] = nothing,
) -> None:
    """Bring every chunk to a durable result, or as many as can be before `stop` is requested.

    `chunks` are all of the source, in order; those with a digest in `done`, by seq, have a durable result of an earlier
    process and are not sent; in those of `without_failures`, every record was updated. `concurrency` of them are
    brought to their end at the same time. `record` makes results durable; `judge` looks at the accounts whenever they
    have changed, and may ask the run to stop. `before` makes durable what must be before a chunk is sent. `inspect`
    passes on what was read, in the producer's thread, or raises. Chunks of a campaign that takes nothing more
    (`traffic.campaigns`) have no result.
    After a stop no new chunk starts and those in flight may finish within `drain_timeout_s`.

    Raises:
        EngineError: the reason of the stop, or what the source or the journal raised.
    """
    cut: Channel[Chunk] = Channel(CHUNKS_QUEUED)
    ready: Channel[Chunk] = Channel(concurrency)
    results: Channel[ChunkResult] = Channel(concurrency)
    gate = OrderGate(concurrency, traffic.late_copies)
    witnesses = Witnesses(gate)
    sending = partial(upload, settle=traffic.over(api).settle, isolation=traffic.isolation, before=before)
    leave = partial(_leave, gate=gate, witnesses=witnesses)
    uploader = partial(sending, ready, results, borrow=witnesses.borrow, leave=leave)
    release = partial(_release, gate=gate, witnesses=witnesses)
    aggregator = partial(aggregate, results, record=record, count=accounts.settle, judge=judge, release=release)
    skip = partial(_skip, accounts=accounts, gate=gate, witnesses=witnesses, without_failures=without_failures)
    to_do = skip_done(inspect(accounts.reading(chunks)), done, skip)
    try:
        async with asyncio.TaskGroup() as group:
            production = group.create_task(_produce(produce, to_do, cut, stop))
            admission = group.create_task(_admit(cut, ready, gate, witnesses))
            uploads = [group.create_task(uploader()) for _ in range(concurrency)]
            aggregation = group.create_task(aggregator())
            drain = group.create_task(_drain(stop, [production, admission], ready, drain_timeout_s))
            await asyncio.wait([admission, *uploads])
            await results.close()
            await asyncio.wait([aggregation])
            drain.cancel()
    except* EngineError as failures:
        raise _first(failures) from None
    if stop.error is not None:
        raise stop.error


def _skip(
    chunk: Chunk, *, accounts: Accounts, gate: OrderGate, witnesses: Witnesses, without_failures: Container[int]
) -> None:
    """Take note of a chunk that an earlier process has finished."""
    accounts.skip(chunk)
    gate.skip(chunk)
    witnesses.note_finished(chunk, acknowledged=chunk.seq in without_failures, of_earlier=True)


def _release(result: ChunkResult, *, gate: OrderGate, witnesses: Witnesses) -> None:
    """Let later chunks pass: this result is durable."""
    witnesses.note(result)
    gate.release(result.chunk)


def _leave(chunk: Chunk, *, gate: OrderGate, witnesses: Witnesses) -> None:
    """Let others pass: this chunk is for a campaign that takes nothing more."""
    witnesses.leave(chunk)
    gate.release(chunk)


async def _admit(cut: Channel[Chunk], ready: Channel[Chunk], gate: OrderGate, witnesses: Witnesses) -> None:
    """Pass chunks on in order, each when no earlier unfinished one, or a late copy, shares an id with it."""
    try:
        async for chunk in cut:
            await gate.admit(chunk)
            witnesses.offer(chunk)
            await ready.send(chunk)
            del chunk  # who waits for the next one keeps no other alive
        gate.end()
        await ready.close()
    finally:
        await cut.close(discard=True)  # unless all are through, tell the producer that nobody needs the rest


async def _produce(produce: Produce, chunks: Iterable[Chunk], cut: Channel[Chunk], stop: Stop) -> None:
    """A source that fails stops the run as a signal would: what is in flight may finish."""
    try:
        await produce(chunks, cut)
    except EngineError as error:
        stop.request(error)


async def _drain(
    stop: Stop, beginnings: Iterable[asyncio.Task[None]], ready: Channel[Chunk], drain_timeout_s: float
) -> None:
    """After a stop: let nothing more begin, then give what is in flight its time.

    The producer is not waited for: it may be waiting itself, for more of an endless standard input.
    """
    await stop.wait()
    for task in beginnings:
        task.cancel()
    await ready.close(discard=True)
    await asyncio.sleep(drain_timeout_s)
    raise stop.error or Interrupted("stopped")


def _first(failure: BaseException) -> BaseException:
    return _first(failure.exceptions[0]) if isinstance(failure, BaseExceptionGroup) else failure
