"""Asking a run to stop: no new chunk starts, what is in flight may finish."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from engine.values.errors import EngineError


class Stop:
    """A request to stop, made once, with the reason that decides the exit code. Belongs to one event loop."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self.error: EngineError | None = None

    @property
    def requested(self) -> bool:
        """Whether the run should wind down."""
        return self._requested.is_set()

    def request(self, error: EngineError) -> None:
        """Ask the run to wind down; the first reason stays."""
        if self.error is None:
            self.error = error
            self._requested.set()

    async def wait(self) -> None:
        """Wait until a stop is requested."""
        await self._requested.wait()

    async def pause(self, seconds: float) -> None:
        """Sleep, but not longer than until a stop is requested."""
        await self.unless_stopped(asyncio.sleep(seconds))

    async def unless_stopped(self, waiting: Coroutine[object, object, object]) -> None:
        """Wait for `waiting`, which is cancelled once a stop is requested; what it raises comes out."""
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self._requested.wait())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
