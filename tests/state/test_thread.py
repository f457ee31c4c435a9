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


async def test_what_waits_for_its_turn_is_not_dropped_with_its_caller() -> None:
    go_on, done = threading.Event(), list[str]()
    async with OwnThread(lambda: None, lambda _: None) as thread:
        first = asyncio.ensure_future(thread.call(go_on.wait, 60))
        second = asyncio.ensure_future(thread.call(done.append, "second"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert second.cancelled()
        go_on.set()
        await first
    assert done == ["second"]


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


async def test_a_call_waits_for_the_one_before_it_in_the_only_thread() -> None:
    go_on, before = threading.Event(), threading.enumerate()
    async with OwnThread(lambda: None, lambda _: None) as thread:
        calls = [asyncio.ensure_future(thread.call(go_on.wait, 60)) for _ in range(3)]
        await asyncio.sleep(0)
        assert [each.name for each in threading.enumerate() if each not in before] == ["journal_0"]
        go_on.set()
        assert await asyncio.gather(*calls) == [True] * 3


async def test_arguments_are_passed_on_and_what_was_made_is_closed() -> None:
    closed: list[str] = []
    async with OwnThread(lambda: "made", closed.append) as thread:
        assert await thread.call(int, "ff", base=16) == 255
    assert closed == ["made"]


@pytest.mark.parametrize("where", ["while it is made", "while it is closed"])
async def test_whoever_is_cancelled_does_not_wait_for_what_was_begun(where: str) -> None:
    began, go_on, ended, done = threading.Event(), threading.Event(), threading.Event(), []

    def work(_: object = None) -> None:
        began.set()
        go_on.wait(60)
        done.append("work")
        ended.set()

    def nothing(_: object = None) -> None: ...

    async def use() -> None:
        make, close = (work, nothing) if where == "while it is made" else (nothing, work)
        async with OwnThread(make, close):
            pass

    using = asyncio.ensure_future(use())
    await asyncio.to_thread(began.wait, 60)
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    assert using.cancelled()
    assert done == []
    go_on.set()
    await asyncio.to_thread(ended.wait, 60)
    assert done == ["work"]
