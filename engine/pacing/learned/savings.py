"""What a server saves up while nobody asks anything of it: a bucket of tokens fills, a window just passes. Pure."""

from __future__ import annotations

from math import inf


class Savings:
    """How much of a silence the server lets us make up for: a bucket of tokens fills, a window just passes."""

    FASTER = 2.0
    """How much faster than usual a silence is made up for."""
    WORTH_S = 1.0
    WORTH_MIN_S = 0.2
    DOUBT_S = 1.0
    """A refusal so soon after the savings were spent is blamed on them."""

    def __init__(self) -> None:
        self.worth_s = self.WORTH_S
        """Seconds of silence that the server saves up: believed until it refuses."""
        self._from = self._until = -inf

    def open(self, start: float, silence_s: float, rate: float) -> None:
        """A silence of `silence_s` seconds, kept instead of `rate` requests per second, ends at `start`."""
        worth_s = min(silence_s, self.worth_s)
        if worth_s * rate >= 1:
            self._from, self._until = start, start + worth_s / (self.FASTER - 1)

    def spend(self, start: float, seconds: float) -> None:
        """What the server saves in so many seconds is spent from `start` on, without a silence before."""
        self._from, self._until = start, start + seconds

    def factor(self, now: float) -> float:
        """How much faster than usual requests may start."""
        return self.FASTER if self._from <= now < self._until else 1.0

    def doubtful(self, started_at: float) -> bool:
        """Whether savings that may not be there were spent shortly before."""
        return self._from <= started_at < self._until + self.DOUBT_S

    def overdrawn(self, started_at: float) -> bool:
        """A request was refused: whether the reason is that the server saves less than was believed."""
        if not self.doubtful(started_at):
            return False
        spent_s = min(started_at, self._until) - self._from
        self.worth_s = spent_s / 2 if spent_s / 2 >= self.WORTH_MIN_S else 0.0
        self._from = self._until = -inf
        return True

    def believe(self) -> None:
        """The server has changed: what was found out about its savings may be wrong."""
        self.worth_s = self.WORTH_S
