"""How many requests may be in flight, and how many may start per second. Pure; the clock comes in.

First version: the configured ceilings, and silence for as long as the server asks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """What one finished attempt tells about the server's limits."""

    started_at: float
    finished_at: float
    records: int
    throttled: bool = False
    """The server refused the request because of its rate or load (429, 503)."""
    lost: bool = False
    """No reply in time."""
    conflicts: int = 0
    """Records the server retried because of version conflicts."""
    retry_after_s: float | None = None


class Pacer:
    """The limits at this moment."""

    def __init__(self, *, rate_max: float, in_flight_max: int) -> None:
        self.rate = rate_max
        self.in_flight = in_flight_max
        self.quiet_until = 0.0

    def learn(self, signal: Signal) -> None:
        """Take note of a finished attempt."""
        if signal.retry_after_s is not None and (signal.throttled or signal.lost):
            self.quiet_until = max(self.quiet_until, signal.finished_at + signal.retry_after_s)
