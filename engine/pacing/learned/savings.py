"""What a server saves up while nobody asks anything of it: a bucket of tokens fills, a window just passes. Pure."""

from __future__ import annotations

from math import inf

from engine.pacing.learned.tuning import Tuning


class Savings:
    """How much of a silence the server lets us make up for."""

    def __init__(self, tuning: Tuning) -> None:
        self.worth_s = tuning.worth_s
        """Seconds of silence that the server saves up: believed until it refuses."""
        self.silence_s = 0.0
        """How long the silence was that followed the latest refusal."""
        self._tuning = tuning
        self._from = self._until = -inf

    def open(self, start: float, silence_s: float, rate: float) -> None:
        """A silence of `silence_s` seconds, kept instead of `rate` requests per second, ends at `start`."""
        worth_s = min(silence_s, self.worth_s)
        if worth_s * rate >= 1:
            self.spend(start, worth_s / (self._tuning.faster - 1))

    def spend(self, start: float, seconds: float) -> None:
        """From `start` on, requests may start faster for so long, as if there had been a silence."""
        self._from, self._until = start, start + seconds

    def factor(self, now: float) -> float:
        """How much faster than usual requests may start."""
        return self._tuning.faster if self._from <= now < self._until else 1.0

    def lost_s(self, times: float = 1.0) -> float:
        """Seconds of the latest silence beyond so many `times` what the server saves up."""
        return max(0.0, self.silence_s - times * self.worth_s)

    def doubtful(self, started_at: float) -> bool:
        """Whether savings that may not be there were spent shortly before."""
        return self._from <= started_at < self._until + self._tuning.doubt_s

    def overdrawn(self, started_at: float) -> bool:
        """A request was refused: whether the reason is that the server saves less than was believed."""
        if not self.doubtful(started_at):
            return False
        spent_s = min(started_at, self._until) - self._from
        self.worth_s = spent_s / 2 if spent_s / 2 >= self._tuning.worth_min_s else 0.0
        self._from = self._until = -inf
        return True

    def believe(self) -> None:
        """The server has changed: what was found out about its savings may be wrong."""
        self.worth_s = self._tuning.worth_s
