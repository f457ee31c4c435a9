"""The uploader workers: take a chunk, bring it to a proven outcome, hand the result on. The only stage that sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.pacing import TurnRefused
from engine.pipeline.channel import Channel
from engine.pipeline.delivery import Delivery, Isolation
from engine.pipeline.refused_campaigns import CampaignRefused
from engine.pipeline.retried import Proof
from engine.pipeline.sending import Request
from engine.pipeline.witnesses import Witness
from engine.values import Chunk, ChunkResult


async def nothing(_: Chunk) -> None:
    """Do nothing."""


async def upload(
    chunks: Channel[Chunk],
    results: Channel[ChunkResult],
    *,
    settle: Callable[[Request], Awaitable[Proof]],
    isolation: Isolation,
    borrow: Callable[[Chunk], Witness | None] = lambda _: None,
    before: Callable[[Chunk], Awaitable[None]] = nothing,
    leave: Callable[[Chunk], None] = lambda _: None,
) -> None:
    """Run one worker until the channel ends or the run stops. A chunk that was not brought to an end is left.

    `before` returns when what must be durable before a chunk leaves is. `leave` is told of a chunk that is left because
    its campaign takes nothing more.
    """
    async for chunk in chunks:
        try:
            isolation.campaigns.check(chunk.campaign_id)
            await before(chunk)
            failures = await Delivery(chunk, settle, isolation, borrow).run()
        except TurnRefused:
            return
        except CampaignRefused:
            leave(chunk)
            continue
        await results.send(ChunkResult(chunk, failures))
        del chunk  # who waits for the next one keeps no other alive
