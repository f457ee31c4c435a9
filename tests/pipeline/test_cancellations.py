"""Cancelled at any await: what is shared stays whole, nobody waits for ever, and nothing is handed over twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any

from engine.pacing.learned.pacer import Pacer
from engine.pacing.retry import Breaker
from engine.pacing.turnstile import Turnstile
from engine.pipeline.admission import OrderGate
from engine.pipeline.channel import Channel
from engine.values.stopping import Stop
from tests.fakes import chunk_of
from tests.simulation.virtual_time import VirtualLoop, run

TURNS_MAX = 1_000


def cancelled_everywhere(play: Callable[[int], Coroutine[Any, Any, bool]]) -> int:
    """Play a scene again and again, each time cancelled one turn of the loop later; return how often it was."""
    for turns in count():
        assert turns < TURNS_MAX
        if not run(play(turns), VirtualLoop()):
            return turns
    raise AssertionError("there is always one more turn")


async def cancelled_after(turns: int, victim: Awaitable[Any], turn_s: float = 0.0) -> bool:
    """Cancel after so many turns of the loop, and return whether there was anything left to cancel."""
    task = asyncio.ensure_future(victim)
    for _ in range(turns):
        await asyncio.sleep(turn_s)
    cancelled = task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return cancelled


def test_a_channel_loses_nothing_but_what_a_cancelled_sender_held() -> None:
    async def play(turns: int) -> bool:
        channel: Channel[int] = Channel(1)
        received: list[int] = []

        async def send_all() -> None:
            for number in range(5):
                await channel.send(number)

        async def receive_all() -> None:
            received.extend([number async for number in channel])

        receiving = asyncio.ensure_future(receive_all())
        cancelled = await cancelled_after(turns, send_all())
        await channel.send(99)  # the channel is as good as before
        await channel.close()
        await receiving
        assert received == [*range(len(received) - 1), 99]
        assert cancelled or len(received) == 6
        return cancelled

    assert cancelled_everywhere(play) > 5


def test_a_receiver_that_is_cancelled_takes_nothing_along() -> None:
    async def play(turns: int) -> bool:
        channel: Channel[int] = Channel(1)
        taken: list[int] = []

        async def take_some() -> None:
            while len(taken) < 3:
                taken.append(await anext(channel))

        async def send_all() -> None:
            for number in range(6):
                await channel.send(number)
            await channel.close()

        sending = asyncio.ensure_future(send_all())
        cancelled = await cancelled_after(turns, take_some())
        rest = [number async for number in channel]
        await sending
        assert taken + rest == list(range(6))
        return cancelled

    assert cancelled_everywhere(play) > 3


def test_the_order_gate_holds_only_what_was_let_through() -> None:
    async def play(turns: int) -> bool:
        gate = OrderGate(concurrency=2)
        first, same_id, other = chunk_of("a", seq=0), chunk_of("a", seq=1), chunk_of("b", seq=2)
        await gate.admit(first)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, loop.call_soon, gate.release, first)
        cancelled = await cancelled_after(turns, gate.admit(same_id))
        await asyncio.sleep(1)
        assert repr(gate) == f"<OrderGate {int(not cancelled)}/2 chunks, 0 late>"
        await asyncio.wait_for(gate.admit(other), 1)
        if not cancelled:
            gate.release(same_id)
        gate.release(other)
        assert repr(gate) == "<OrderGate 0/2 chunks, 0 late>"
        return cancelled

    assert cancelled_everywhere(play) > 2


def test_the_turnstile_has_room_again() -> None:
    async def play(turns: int) -> bool:
        stop = Stop()
        turnstile = Turnstile(Pacer(requests_per_second=1_000.0, concurrency=1), Breaker(), stop)

        async def pass_through(holds_s: float = 0.0) -> None:
            async with turnstile.turn():
                await asyncio.sleep(holds_s)

        before = asyncio.ensure_future(pass_through(0.005))
        cancelled = await cancelled_after(turns, pass_through(0.002), turn_s=0.0005)
        await before
        assert turnstile.in_flight == 0
        await asyncio.wait_for(pass_through(), 10)
        assert turnstile.in_flight == 0
        return cancelled

    assert cancelled_everywhere(play) > 2
