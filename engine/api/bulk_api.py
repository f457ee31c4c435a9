"""The API as the pipeline sees it."""

from __future__ import annotations

from typing import Protocol

from engine.api.wire import NoReply, Reply


class BulkApi(Protocol):
    """The API seam: one call is one request on the wire."""

    async def update(self, lines: bytes) -> Reply | NoReply:
        """Send the records in `lines` (canonical JSON lines joined by newlines) and return what came back."""
        ...

    def renew_token(self, refused: Reply) -> bool:
        """Read the token again after `refused`; whether it differs from the one that was refused."""
        ...
