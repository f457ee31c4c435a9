"""The journal's own thread: SQLite and fsync block, the event loop must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, ParamSpec, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class OwnThread(Generic[T]):
    """Makes a value in a thread of its own, and calls its methods only there, one after another."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], None]) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._make = make
        self._close = close
        self.value: T

    async def __aenter__(self) -> Self:
        try:
            self.value = await self.call(self._make)
        except BaseException:
            self._executor.shutdown(wait=False)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.call(self._close, self.value)
        finally:
            self._executor.shutdown(wait=False)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `function` in the thread and return what it returns.

        A cancelled caller does not cancel the call: what was begun is brought to its end.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[R] = loop.create_future()

        def tell(done: Future[R]) -> None:
            with suppress(RuntimeError):  # the loop is closed already: nobody waits any more
                loop.call_soon_threadsafe(_copy, done, ended)

        self._executor.submit(function, *args, **kwargs).add_done_callback(tell)
        return await ended


def _copy(done: Future[R], ended: asyncio.Future[R]) -> None:
    """Pass on how a call ended, unless its caller was cancelled."""
    if ended.done():
        return
    error = done.exception()
    if error is None:
        ended.set_result(done.result())
    else:
        ended.set_exception(error)
