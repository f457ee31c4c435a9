"""Work in a thread: its result and its errors come back, and a wish to stop does not wait for it."""

from __future__ import annotations

import asyncio
import threading
from typing import NoReturn

import pytest

from engine.run.abandonable import abandonable
from engine.values.errors import Interrupted, SourceMissing
from engine.values.stopping import Stop


def failing() -> NoReturn:
    raise SourceMissing("gone")


async def test_what_it_returns_comes_back() -> None:
    assert await abandonable(lambda: threading.current_thread().name, Stop()) == "abandonable"


async def test_what_it_raises_comes_out() -> None:
    with pytest.raises(SourceMissing, match="gone"):
        await abandonable(failing, Stop())


async def test_a_wish_to_stop_does_not_wait_for_it() -> None:
    stop = Stop()
    started, release, over = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        assert release.wait(60)
        over.set()
        raise SourceMissing("nobody hears of it")

    waiting = asyncio.create_task(abandonable(slow, stop))
    await asyncio.to_thread(started.wait, 60)
    stop.request(Interrupted("stopped by SIGTERM"))
    with pytest.raises(Interrupted, match="SIGTERM"):
        await waiting
    assert not over.is_set()
    release.set()
    assert await asyncio.to_thread(over.wait, 60)


def test_the_loop_may_be_closed_before_it_ends() -> None:
    release, before = threading.Event(), threading.enumerate()  # those of other tests may still be ending

    def slow() -> None:
        assert release.wait(60)

    async def stopped_at_once() -> None:
        stop = Stop()
        stop.request(Interrupted("stopped"))
        await abandonable(slow, stop)

    with pytest.raises(Interrupted):
        asyncio.run(stopped_at_once())
    (thread,) = [each for each in threading.enumerate() if each.name == "abandonable" and each not in before]
    release.set()
    thread.join(60)
    assert not thread.is_alive()
