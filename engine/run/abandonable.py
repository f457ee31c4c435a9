"""Work that blocks, in a thread that is left alone once the run is asked to stop: what reads must not hold a stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from engine.values import Interrupted, Stop

T = TypeVar("T")


async def abandonable(work: Callable[[], T], stop: Stop) -> T:
    """Return what `work` returns, or raise what it raises.

    Raises:
        EngineError: the reason to stop, at once. The thread is a daemon: it does not keep the process alive.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on, nothing can cancel it

    def call() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=call, name="abandonable", daemon=True).start()
    outcome, stopped = asyncio.wrap_future(done), asyncio.ensure_future(stop.wait())
    waited_for: list[asyncio.Future[Any]] = [outcome, stopped]
    try:
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if not outcome.done():
            raise stop.error or Interrupted("stopped")
        return outcome.result()
    finally:
        for future in waited_for:
            future.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
