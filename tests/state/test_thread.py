"""The journal's own thread: one call after another, each brought to its end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.state.thread import OwnThread
from engine.values.errors import StateLocked


async def test_everything_happens_in_one_other_thread() -> None:
    threads: list[int] = []

    def note(value: str) -> str:
        threads.append(threading.get_ident())
        return value

    async with OwnThread(lambda: note("made"), lambda value: threads.append(threading.get_ident())) as thread:
        assert thread.value == "made"
        assert await asyncio.gather(*(thread.call(note, str(n)) for n in range(5))) == ["0", "1", "2", "3", "4"]
    assert len(threads) == 7
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_what_was_begun_is_brought_to_its_end_when_its_caller_is_cancelled() -> None:
    began, go_on, done = threading.Event(), threading.Event(), []

    def work() -> None:
        began.set()
        go_on.wait(60)
        done.append("work")

    async with OwnThread(lambda: None, lambda _: done.append("closed")) as thread:
        call = asyncio.ensure_future(thread.call(work))
        await asyncio.to_thread(began.wait, 60)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert done == []
        go_on.set()
    assert done == ["work", "closed"]


async def test_errors_come_out_and_what_could_not_be_made_needs_no_closing() -> None:
    closed: list[object] = []

    def fail() -> None:
        raise StateLocked("another run")

    with pytest.raises(StateLocked):
        async with OwnThread(fail, closed.append):
            raise AssertionError("never entered")
    assert closed == []
    async with OwnThread(lambda: None, closed.append) as thread:
        with pytest.raises(StateLocked):
            await thread.call(fail)
    assert closed == [None]
