"""The producer: reads the source in a thread of its own, as fast as the channel takes its chunks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from engine.pipeline.channel import Channel, ChannelClosed
from engine.values import Chunk, SourceUntrusted


async def produce(chunks: Iterable[Chunk], channel: Channel[Chunk]) -> None:
    """Iterate over `chunks` in a thread and send them; closes the channel at their end, however that comes.

    The thread is a daemon: one that waits for more standard input must not keep a stopped process alive.

    Raises:
        EngineError: whatever reading the source raises.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()

    def read() -> None:
        error: BaseException | None = None
        try:
            for chunk in chunks:
                if finished.done():
                    return  # cancelled: nobody waits for the thread any more
                _call(loop, channel.send(chunk))
        except ChannelClosed:
            pass  # the run is stopping: nobody needs the rest
        except BaseException as failure:
            error = failure
        with suppress(RuntimeError):  # the loop is closed already: nobody waits for the thread any more
            loop.call_soon_threadsafe(_finish, finished, error)

    threading.Thread(target=read, name="producer", daemon=True).start()
    try:
        await finished
    except BaseException:
        await channel.close(discard=True)
        raise
    await channel.close()


def _call(loop: asyncio.AbstractEventLoop, sending: Coroutine[Any, Any, None]) -> None:
    """Have `sending` run in the loop, and wait for its end.

    Raises:
        ChannelClosed: the channel is closed, or the loop itself.
    """
    try:
        future = asyncio.run_coroutine_threadsafe(sending, loop)
    except RuntimeError:
        sending.close()
        raise ChannelClosed from None
    future.result()


def _finish(finished: asyncio.Future[None], error: BaseException | None) -> None:
    if finished.done():
        return
    if error is None:
        finished.set_result(None)
    else:
        finished.set_exception(error)


def skip_done(chunks: Iterable[Chunk], done: Mapping[int, bytes], on_skip: Callable[[Chunk], None]) -> Iterator[Chunk]:
    """Yield the chunks that have no durable result yet.

    Raises:
        SourceUntrusted: a chunk with a durable result is not what it was, or is gone: the source has changed.
    """
    missing = set(done)
    for chunk in chunks:
        if chunk.seq not in done:
            yield chunk
            continue
        if chunk.digest() != done[chunk.seq]:
            first = chunk.spans[0] if chunk.spans else None
            where = f" ({first.path}, from row {first.first_row})" if first else ""
            raise SourceUntrusted(
                f"the source has changed since this run was interrupted{where}; restore it and run the same command "
                "again, or start over with --fresh"
            )
        missing.discard(chunk.seq)
        on_skip(chunk)
    if missing:
        raise SourceUntrusted(
            "the source is shorter than when this run was interrupted; restore it and run the same command again, "
            "or start over with --fresh"
        )
