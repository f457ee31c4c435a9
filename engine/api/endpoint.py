"""Where the records go: the address and the credentials of the bulk update API, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the records go, and how to get there. `read_token` raises an `EngineError` if there is none."""

    url: str
    campaign_id: str
    read_token: Callable[[], str]
    org_id: str | None = None
    timeout_s: float = 120.0
    ca_file: str | None = None
    proxy: str | None = None
    concurrency: int = 8

    def envelope(self) -> tuple[bytes, bytes]:
        """What stands before and after the comma-separated records in a request body."""
        return b'{"campaignId":' + orjson.dumps(self.campaign_id) + b',"records":[', b"]}"
