"""The producer: reads the source in a thread of its own, as fast as the channel takes its chunks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from queue import SimpleQueue

from engine.pipeline.channel import Channel, ChannelClosed
from engine.values import Chunk, SourceUntrusted


async def produce(chunks: Iterable[Chunk], channel: Channel[Chunk]) -> None:
    """Iterate over `chunks` in a thread and send them; closes the channel at their end, however that comes.

    The thread is a daemon: one that waits for more standard input must not keep a stopped process alive.

    Raises:
        EngineError: whatever reading the source raises.
    """
    handover = _Handover()
    threading.Thread(target=handover.read, args=(chunks,), name="producer", daemon=True).start()
    try:
        while (chunk := await handover.next()) is not None:
            await channel.send(chunk)
            del chunk  # who waits for the next one keeps no other alive
    except ChannelClosed:
        pass  # the run is stopping: nobody needs the rest
    except BaseException:
        await channel.close(discard=True)
        raise
    finally:
        handover.leave()
    await channel.close()


class _Handover:
    """Hands chunks from the thread that reads to the loop in which it was made, one at a time.

    The thread goes on once the loop asks for the next chunk: so it reads one ahead of what was sent.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Future[Chunk | None] = self._loop.create_future()
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        """Whether the thread is to go on, for each chunk that it has handed over."""
        self._is_first = True

    def read(self, chunks: Iterable[Chunk]) -> None:
        """Hand over all chunks, then None, or what reading them raises. Runs in the thread."""
        error: BaseException | None = None
        try:
            for chunk in chunks:
                if not self._tell(chunk) or not self._wanted.get():
                    return  # nobody waits for the thread any more
        except BaseException as failure:
            error = failure
        self._tell(error)

    def _tell(self, what: Chunk | BaseException | None) -> bool:
        """Tell the loop; False if that is closed."""
        try:
            self._loop.call_soon_threadsafe(self._take, what)
        except RuntimeError:
            return False
        return True

    def _take(self, what: Chunk | BaseException | None) -> None:
        if self._next.done():
            return  # cancelled
        if isinstance(what, BaseException):
            self._next.set_exception(what)
        else:
            self._next.set_result(what)

    async def next(self) -> Chunk | None:
        """Return the next chunk, once the one before was sent; None behind the last one.

        Raises:
            EngineError: whatever reading the source raises.
        """
        if not self._is_first:
            self._next = self._loop.create_future()
            self._wanted.put(True)
        self._is_first = False
        return await self._next

    def leave(self) -> None:
        """Let the thread end: nothing more is wanted."""
        self._wanted.put(False)


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
