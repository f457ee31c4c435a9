"""The rate where every refusal costs a silence (`Retry-After`): few refusals have to tell much. Pure.

The first refusal leaves a range: what was accepted came from the limit and from the server's reserves, which are a
second's worth at most. Start within that range and grow towards its upper end, ever more slowly, so that the next
refusal comes just above the limit: then what was sent a little earlier was right. Stay there for long.
Rates are in requests per second, times of a monotonic clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, exp2, sqrt

from engine.pacing.learned import tuning


class Careful:
    """The rate since the latest refusal, and the range in which the limit is."""

    def __init__(self, passed: float, seconds: float, known: float | None) -> None:
        """The first refusal came after so many `seconds`, and so many requests had `passed`; a limit may be `known`."""
        self._lowest = passed / (seconds + tuning.RESERVES_S)
        self._highest = passed / seconds
        self._is_settled = known is not None
        self.known = known or sqrt(self._lowest * self._highest)
        """The limit, as far as it is known: where the rate starts after a silence."""
        self._falls = 0
        self.resumed_at = 0.0
        """The end of the latest silence."""

    def rate(self, now: float, hold_s: float) -> float:
        """Return how many requests may start per second; a limit that was found is held for `hold_s`."""
        resumed_s = max(0.0, now - self.resumed_at)
        if not self._is_settled:
            narrowed = self.known + (self._highest - self.known) * (1 - exp(-resumed_s / tuning.NARROWING_S))
            return narrowed * self._growth(resumed_s - 2 * tuning.NARROWING_S)  # the upper end was too low
        return tuning.KEEP_CAREFUL * self.known * self._growth(resumed_s - hold_s)

    @staticmethod
    def _growth(seconds: float) -> float:
        return 1 + tuning.STEP * (exp2(min(max(0.0, seconds), 10.0)) - 1)

    def wait(self, seconds: float) -> None:
        """So much of the time proves nothing."""
        self.resumed_at += seconds

    def refused(
        self, started_at: float, hold_s: float, until: float, accepted: Callable[[float, float], float]
    ) -> None:
        """A request that started then was refused; all replies to what started before `until` are here.

        `accepted` returns the rate of what was accepted from a time until a time.
        """
        rate, held_s = self.rate(started_at, hold_s), started_at - self.resumed_at
        if self._is_settled and held_s < hold_s:
            self._falls += 1
            self.known = max(tuning.RATE_MIN, self.known * tuning.FALLEN**self._falls)
        elif held_s < tuning.ENOUGH_S:
            lowest, self._highest = min(self._lowest, rate), rate
            self.known = lowest * (rate / lowest) ** tuning.LOWER_END
        else:
            earlier = self.rate(started_at - tuning.EARLIER_S, hold_s)
            since = max(self.resumed_at, until - tuning.WINDOW_S)
            self.known = max(tuning.RATE_MIN, min(earlier, accepted(since, until)))
            self._is_settled, self._falls = True, 0
