"""What a limiter is told, and what it says: the seam between pacing and everything that is paced."""

from __future__ import annotations

from dataclasses import dataclass

from engine.api import Quota


@dataclass(frozen=True, slots=True)
class Signal:
    """What one finished attempt tells about the server's limits. Times are of a monotonic clock, in seconds."""

    started_at: float
    finished_at: float
    records: int
    in_flight: int = 1
    """Requests in flight when it started, itself included."""
    throttled: bool = False
    """Refused because of the rate (429)."""
    failed: bool = False
    """No reply in time, or a server error: overload, if it happens often."""
    conflicts: int = 0
    """Records the server retried because of version conflicts."""
    retry_after_s: float | None = None
    quota: Quota | None = None

    @property
    def latency_s(self) -> float:
        """From the start of the request to the end of its reply."""
        return self.finished_at - self.started_at


@dataclass(frozen=True, slots=True)
class Move:
    """A limit moved at a time of the monotonic clock: what it is now, and why."""

    at: float
    what: str
    why: str
