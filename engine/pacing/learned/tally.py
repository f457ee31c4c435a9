"""When the latest accepted requests started, and how fast they came. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import takewhile

from engine.pacing.learned.tuning import Tuning

TALLY_MAX = 4096
"""Accepted requests whose times are remembered."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was accepted before a refusal, in requests per second."""

    until: float  # the start of the latest request whose reply can be here
    seconds: float  # how long `average` was measured
    average: float  # since the last refusal, or in the last seconds: right for a server that saves
    latest: float  # in the last second: right for a server that does not
    with_silence: float | None  # since the last refusal, if a silence followed, which is counted


class Tally:
    """Counts the requests that passed the rate limit, and remembers when the latest ones started."""

    def __init__(self, tuning: Tuning) -> None:
        self.total = 0
        self.round_trip_s = tuning.round_trip_s
        self._reserves_s = tuning.reserves_s
        self._first_at: float | None = None
        self._started: deque[float] = deque(maxlen=TALLY_MAX)

    def begin(self, started_at: float) -> bool:
        """A request started then; return whether it is the first that is heard of."""
        if self._first_at is not None:
            return False
        self._first_at = started_at
        return True

    def took(self, seconds: float) -> None:
        """An accepted request took so long, from its start to its reply."""
        self.round_trip_s += 0.1 * (seconds - self.round_trip_s)

    def add(self, started_at: float) -> None:
        """Count one."""
        self.total += 1
        self._started.append(started_at)

    def sustained(self, now: float, more: int = 0) -> float:
        """Return how many (and `more`) per second the server has sustained, as if it had had reserves at the start."""
        return (self.total + more) / (now - (self._first_at or 0.0) + self._reserves_s)

    def rate(self, since: float, until: float) -> float:
        """Return how many per second passed of those that started after `since` and not after `until`."""
        recent = takewhile(lambda at: at > since, reversed(self._started))
        return sum(at <= until for at in recent) / max(until - since, 0.05)
