"""When the latest accepted requests started, and how fast they came. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import takewhile

TALLY_MAX = 4096
"""Accepted requests whose times are remembered."""


class Tally:
    """Counts the requests that passed the rate limit, and remembers when the latest ones started."""

    def __init__(self) -> None:
        self.total = 0
        self._started: deque[float] = deque(maxlen=TALLY_MAX)

    def add(self, started_at: float) -> None:
        """Count one."""
        self.total += 1
        self._started.append(started_at)

    def rate(self, since: float, until: float) -> float:
        """Return how many per second passed of those that started after `since` and not after `until`."""
        recent = takewhile(lambda at: at > since, reversed(self._started))
        return sum(at <= until for at in recent) / max(until - since, 0.05)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was accepted before a refusal, in requests per second."""

    until: float
    """The start of the latest request whose reply can be here."""
    seconds: float
    """How long `average` was measured."""
    average: float
    """Since the last refusal, or in the last seconds: right for a server that saves."""
    latest: float
    """In the last second: right for a server that does not."""
