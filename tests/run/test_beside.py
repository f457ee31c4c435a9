"""Work beside other work: it begins with it, and is over when that is."""

from __future__ import annotations

import asyncio

import pytest

from engine.run.beside import beside


async def test_it_goes_on_meanwhile_and_is_over_at_the_end() -> None:
    told: list[str] = []

    async def work() -> None:
        told.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            told.append("over")

    async with beside(work()):
        await asyncio.sleep(0)
        assert told == ["begun"]
    assert told == ["begun", "over"]


async def test_it_is_over_where_the_other_work_fails_too() -> None:
    over = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            over.set()

    async def fail() -> None:
        async with beside(work()):
            await asyncio.sleep(0)
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        await fail()
    assert over.is_set()


async def test_what_it_raises_itself_is_not_lost() -> None:
    async def work() -> None:
        raise ValueError("failed beside")

    with pytest.raises(ValueError, match="failed beside"):
        async with beside(work()):
            await asyncio.sleep(0)
