"""A sender that waits for its turn before each request, retries included."""

from __future__ import annotations

from engine.pacing import Turnstile
from engine.pipeline.sending import Answer, Request, Sender


class Paced:
    """Sends through the one turnstile: evenly, not too many at once, silent while the server asks for it."""

    def __init__(self, inner: Sender, turnstile: Turnstile) -> None:
        self._inner = inner
        self._turnstile = turnstile

    async def send(self, request: Request) -> Answer:
        """Send `request` as soon as it may go."""
        async with self._turnstile.turn():
            return await self._inner.send(request)
