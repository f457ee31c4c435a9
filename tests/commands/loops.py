"""An event loop for commands that make a run, without the signals of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from engine.report.report import Report
from engine.values.errors import EngineError
from engine.values.stopping import Stop


def plain_loop(work: Callable[[Stop], Coroutine[object, object, Report]], show_progress: Callable[[], None]) -> Report:
    """Run it to its end, and ask for its progress when it is there."""
    report = asyncio.run(work(Stop()))
    show_progress()
    return report


def loop_that_fails(error: EngineError) -> Callable[..., Report]:
    """Return a loop in which nothing can begin."""

    def run(work: object, show_progress: object) -> Report:
        raise error

    return run
