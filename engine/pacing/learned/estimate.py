"""What the limit is believed to be, and what a refusal says about it. Pure.

The first refusal leaves a range: the limit is above the sustained rate and below the rate now. Start in the middle,
grow fast, and let the next refusal narrow it (the **search**).

What a refusal says depends on the server. One with a bucket of tokens saves up what is not used, so that the limit is
the average between two refusals, and the last second before one was too fast. One that counts windows, or spaces
requests, saves nothing, so that the last second is right, and the average includes our own pauses. Which kind it is, is
found by trying: keep the faster estimate, and if that is refused at once, the server saves.
"""

from __future__ import annotations

from math import inf, sqrt

from engine.pacing.learned.tally import Measured
from engine.pacing.learned.tuning import Tuning


class Former:
    """A limit that was good for long and has fallen may come back soon: it is worth more refusals to find out."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._limit = 0.0
        self._until = -inf

    def replaced(self, known: float, by: float, held_s: float, now: float) -> None:
        """The limit `known` was held for so long, and is `by` another now."""
        if now > self._until:
            self._limit = 0.0
        if held_s >= self._tuning.hold_min_s and known > max(by, self._limit):
            self._limit, self._until = known, now + self._tuning.former_s

    def is_expected(self, known: float, now: float) -> bool:
        """Whether it may come back, and has not yet."""
        return now < self._until and known < self._tuning.returned * self._limit


class Estimate:
    """The limit found so far, in requests per second, and how much is known of the server that sets it."""

    def __init__(self, known: float | None, tuning: Tuning) -> None:
        self.known = known
        self.is_searching = known is None
        self.saves: bool | None = None
        """Whether the server saves up what is not used; None until it is found out."""
        self.former = Former(tuning)
        self._tuning = tuning
        self._fell_at = -inf

    def guess(self, sustained: float, rate: float) -> None:
        """After the first refusal: the middle of what the limit can be, for it is just below `rate` at most."""
        self.known = sqrt(min(sustained, rate) * rate)

    def search_from(self, known: float) -> None:
        """The limit is above `known`."""
        self.known, self.is_searching = known, True

    def correct(self, known: float, rate: float, measured: Measured) -> float:
        """`rate` was refused, while the limit was believed to be `known`: return what it is believed to be now."""
        self.known = self._corrected(known, rate, measured)
        return self.known

    def doubt(self, known: float, average: float) -> None:
        """What was refused went beyond `known`, so that the limit is not to blame, unless it was only guessed."""
        self.known = max(0.8 * known, min(known, average))

    def held(self, seconds: float) -> None:
        """The limit was held for so long without a refusal."""
        if self.saves is None and not self.is_searching and seconds > self._tuning.proven_s:
            self.saves = False

    def _corrected(self, known: float, rate: float, measured: Measured) -> float:
        if rate <= 1.01 * self._tuning.keep * known:
            return self._fallen(known, measured)
        optimistic = sqrt(max(measured.latest, known) * rate)
        if measured.average > 1.15 * known or rate > self._tuning.risen * known:
            self.saves = None
            self.is_searching = not self.is_searching  # far off: search once more, unless this was the search
            return optimistic
        was_searching, self.is_searching = self.is_searching, False
        if self.saves:
            return max(known, min(measured.average, rate))
        return optimistic if was_searching else max(known, measured.latest)

    def _fallen(self, known: float, measured: Measured) -> float:
        """The limit, after a refusal of a rate that was thought to be safe."""
        self.saves, self.is_searching = True, False
        again, self._fell_at = measured.until - self._fell_at < self._tuning.again_s, measured.until
        if measured.seconds < 0.9:
            return 0.9 * known  # too short a time to measure in
        lower = min(0.95 * known, measured.average)
        if again and measured.with_silence is not None:
            lower = min(lower, sqrt(lower * measured.with_silence))
        return max(0.5 * known, lower)
