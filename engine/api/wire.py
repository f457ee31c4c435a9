"""What came back over the wire, or that nothing did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.values import EngineError


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over the wire. `body` is None when it was too large, or could not be decompressed."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names; only those that mean something to the engine."""
    body: bytes | None = b""
    token_number: int = 0
    """Which token was sent: counts how often it was renewed."""


@dataclass(frozen=True, slots=True)
class NoReply:
    """An attempt without a reply: refused, reset, timed out. The server may or may not have applied the records."""

    reason: str
    fatal: EngineError | None = None
    """Set if no attempt can succeed and no byte may go there, such as a certificate that does not prove the host."""
