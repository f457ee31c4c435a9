"""The channel: bounded, closed for good, and clean after a cancellation at whatever moment."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from engine.pipeline.channel import Channel, ChannelClosed
from tests.simulation.virtual_time import VirtualLoop, run


async def settle() -> None:
    """Let every task go on until it waits for another."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_sent_is_received_in_order() -> None:
    channel: Channel[int] = Channel(3)
    for item in (1, 2, 3):
        await channel.send(item)
    await channel.close()
    assert [item async for item in channel] == [1, 2, 3]


async def test_a_full_channel_makes_the_sender_wait() -> None:
    channel: Channel[int] = Channel(1)
    await channel.send(1)
    sending = asyncio.ensure_future(channel.send(2))
    await settle()
    assert not sending.done()
    assert repr(channel) == "<Channel 1/1 open>"
    assert await channel.receive_all() == [1]
    await sending
    assert await channel.receive_all() == [2]


async def test_an_empty_channel_makes_the_receivers_wait_and_each_item_goes_to_one() -> None:
    channel: Channel[int] = Channel(5)
    receiving = [asyncio.ensure_future(channel.__anext__()) for _ in range(3)]
    await settle()
    assert not any(task.done() for task in receiving)
    for item in (1, 2, 3):
        await channel.send(item)
    assert sorted(await asyncio.gather(*receiving)) == [1, 2, 3]


async def test_receive_all_takes_what_is_there_and_then_nothing_at_the_end() -> None:
    channel: Channel[int] = Channel(5)
    await channel.send(1)
    await channel.send(2)
    assert await channel.receive_all() == [1, 2]
    waiting = asyncio.ensure_future(channel.receive_all())
    await settle()
    assert not waiting.done()
    await channel.close()
    assert await waiting == []
    assert await channel.receive_all() == []


async def test_closing_lets_nothing_in_and_what_waits_out() -> None:
    channel: Channel[int] = Channel(5)
    await channel.send(1)
    await channel.close()
    with pytest.raises(ChannelClosed):
        await channel.send(2)
    assert [item async for item in channel] == [1]


async def test_closing_with_discard_throws_away_what_waits() -> None:
    channel: Channel[int] = Channel(5)
    await channel.send(1)
    await channel.close(discard=True)
    assert repr(channel) == "<Channel 0/5 closed>"
    assert [item async for item in channel] == []


async def test_closing_wakes_everybody() -> None:
    channel: Channel[int] = Channel(1)
    await channel.send(1)
    senders = [asyncio.ensure_future(channel.send(item)) for item in (2, 3)]
    await settle()
    await channel.close(discard=True)
    assert all(isinstance(end, ChannelClosed) for end in await asyncio.gather(*senders, return_exceptions=True))

    empty: Channel[int] = Channel(1)
    receivers = [asyncio.ensure_future(empty.receive_all()) for _ in range(2)]
    await settle()
    await empty.close()
    assert await asyncio.gather(*receivers) == [[], []]


@pytest.mark.parametrize("seed", range(40))
def test_cancelled_at_any_await_no_item_is_lost_or_doubled(seed: int) -> None:
    """Senders and receivers are cancelled at random: an item is received once, or its sender never got rid of it."""
    rng = Random(seed)
    sent: list[int] = []
    received: list[int] = []
    peak = 0

    async def send(channel: Channel[int], first: int) -> None:
        nonlocal peak
        for item in range(first, first + 20):
            await channel.send(item)
            sent.append(item)
            peak = max(peak, len(channel._items))
            await asyncio.sleep(rng.choice((0, 0, 0.1)))

    async def receive(channel: Channel[int]) -> None:
        async for item in channel:
            received.append(item)
            await asyncio.sleep(rng.choice((0, 0, 0.1)))

    async def work() -> None:
        channel: Channel[int] = Channel(rng.randint(1, 3))
        tasks = [asyncio.ensure_future(send(channel, first)) for first in (0, 100, 200)]
        tasks += [asyncio.ensure_future(receive(channel)) for _ in range(3)]
        for _ in range(4):
            await asyncio.sleep(rng.uniform(0, 0.3))
            rng.choice(tasks).cancel()
        last = asyncio.ensure_future(receive(channel))
        await asyncio.gather(*tasks[:3], return_exceptions=True)
        await channel.close()
        await asyncio.gather(*tasks, last, return_exceptions=True)
        assert not channel._items
        assert peak <= channel._items_max
        assert not channel._senders
        assert not channel._receivers

    run(work(), VirtualLoop())
    assert sorted(received) == sorted(sent)
