"""The uploader workers: take a chunk, bring it to a proven outcome, hand the result on.

The only stage that sends. Each attempt waits at the turnstile, is read by `reply.interpret`, and what to do next is
decided by the `RetryPolicy`; a chunk that is refused whole, or whose failures are not named, is sent again by halves.
"""

from __future__ import annotations

from engine.api import BulkApi
from engine.pacing import TurnRefused
from engine.pipeline.channel import Channel
from engine.pipeline.delivery import Delivery
from engine.pipeline.traffic import Traffic
from engine.values import Chunk, ChunkResult, Stop


async def upload(
    chunks: Channel[Chunk], results: Channel[ChunkResult], *, api: BulkApi, traffic: Traffic, stop: Stop
) -> None:
    """Run one worker until the channel ends or a stop is requested. A chunk that was not brought to an end is left."""
    async for chunk in chunks:
        if stop.requested:
            return
        try:
            failures = await Delivery(chunk, api, traffic, stop).run()
        except TurnRefused:
            return
        if failures is None:
            return
        await results.send(ChunkResult(chunk, failures))
        del chunk  # who waits for the next one keeps no other alive
