"""The API as the pipeline sees it: where the records go, one call a request, and what came back of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import orjson
from msgspec import Struct, field

from engine.values import EngineError


class Endpoint(Struct, frozen=True):
    """Where the records go, and how to get there. `read_token` raises an `EngineError` if there is none."""

    url: str
    campaign_id: str
    """Where all records go that are not for another campaign."""
    read_token: Callable[[], str]
    org_id: str | None = None
    timeout_s: float = 120.0
    ca_file: str | None = None
    proxy: str | None = None
    concurrency: int = 8

    def envelope(self, campaign_id: str = "") -> tuple[bytes, bytes]:
        """What stands before and after the comma-separated records in a request body, by default for `campaign_id`."""
        return b'{"campaignId":' + orjson.dumps(campaign_id or self.campaign_id) + b',"records":[', b"]}"


class Reply(Struct, frozen=True):
    """What came back over the wire. `body` is None when it was too large, or could not be decompressed."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names; only those that mean something to the engine."""
    body: bytes | None = b""
    token_number: int = 0
    """Which token was sent: counts how often it was renewed."""
    by_proxy: bool = False
    """Whether the proxy of `Endpoint.proxy` answered by itself, not the API."""


class NoReply(Struct, frozen=True):
    """An attempt without a reply: refused, reset, timed out."""

    reason: str
    fatal: EngineError | None = None
    """Set if no attempt can succeed and no byte may go there, such as a certificate that does not prove the host."""
    may_land: bool = True
    """Whether the server may have the whole request: it may have applied the records, or may yet."""
    timed_out: bool = False
    """Whether the reply did not come in the time given."""


class BulkApi(Protocol):
    """The API seam: one call is one request on the wire."""

    async def update(self, elements: bytes, campaign_id: str = "") -> Reply | NoReply:
        """Send the records in `elements` (canonical JSON lines joined by commas) and return what came back.

        They are for this campaign; an empty id means the one that the API was opened for.
        """

    def renew_token(self, refused: Reply) -> bool:
        """Read the token again after `refused`; whether it differs from the one that was refused."""
