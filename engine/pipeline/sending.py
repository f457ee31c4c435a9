"""One request as the uploaders see it: records go out, and what is proven about them comes back.

What a request does besides being sent is a decorator of this one interface, each in a file of its own, and
`traffic.py` stacks them: `Retried(Paced(Observed(Proven(api))))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.api import BulkApi, NoReply, Reply, Verdict, interpret


@dataclass(frozen=True, slots=True)
class Request:
    """Records to send at once: canonical JSON lines joined by newlines, and their ids in the same order."""

    lines: bytes
    ids: Sequence[str]
    is_split: bool = False
    """Whether these are a part of a chunk, sent to isolate records."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and what it proves about the records of the request."""

    reply: Reply | NoReply
    verdict: Verdict


class Sender(Protocol):
    """Sends requests; one call is at most one request on the wire."""

    async def send(self, request: Request) -> Answer:
        """Send `request` and return what is proven.

        Raises:
            TurnRefused: the run is stopping; nothing was sent.
        """
        ...


class Proven:
    """The API itself, whose replies are read: the innermost sender."""

    def __init__(self, api: BulkApi) -> None:
        self._api = api

    async def send(self, request: Request) -> Answer:
        """Send `request`, now."""
        reply = await self._api.update(request.lines)
        return Answer(reply, interpret(reply, request.ids))
