"""The rate where every refusal costs a silence (`Retry-After`): few refusals have to tell much. Pure.

The first refusal leaves a range: what was accepted came from the limit and from the server's reserves, which are a
second's worth at most. Start within that range and grow towards its upper end, ever more slowly, so that the next
refusal comes just above the limit: then what was sent a little earlier was right. Stay there for long.

A silence fills the server's reserves again. So what passes between a silence and the next refusal is as much as passed
before the first refusal, and what the limit adds in the rest of the time: two refusals tell the limit of a bucket.
Rates are in requests per second, times of a monotonic clock, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, exp2, log
from typing import NamedTuple

from engine.pacing.learned import tuning


class Trial(NamedTuple):
    """When more than a known limit is tried, and how boldly."""

    hold_s: float  # so long after the end of the latest silence
    step: float  # growth in the first second after that; it is twice as much in each second that follows
    expected: float = 0.0  # a limit that may have come back; 0: none


class Careful:
    """The rate since the latest refusal, and the range in which the limit is."""

    def __init__(self, passed: float, seconds: float, known: float | None) -> None:
        """The first refusal came after so many `seconds`, and so many requests had `passed`; a limit may be `known`."""
        self._passed_at_first, self._first_s = passed, seconds
        lowest, self._highest = passed / (seconds + tuning.RESERVES_S), passed / seconds
        self._is_settled = known is not None
        self.known = known or between(lowest, self._highest, tuning.FIRST_GUESS)
        """The limit, as far as it is known: where the rate starts after a silence."""
        self._falls = 0
        self.resumed_at = 0.0
        """The end of the latest silence."""

    def rate(self, now: float, trial: Trial) -> float:
        """Return how many requests may start per second; a limit that was found is held until the `trial`."""
        resumed_s = max(0.0, now - self.resumed_at)
        if self._is_settled:
            return tuning.KEEP_CAREFUL * self.known * _growth(resumed_s - trial.hold_s, trial.step)
        narrowed = self.known + (self._highest - self.known) * (1 - exp(-resumed_s / tuning.NARROWING_S))
        return narrowed * _growth(resumed_s - 2 * tuning.NARROWING_S, tuning.STEP_BOLD)  # the upper end was too low

    def wait(self, seconds: float) -> None:
        """So much of the time proves nothing."""
        self.resumed_at += seconds

    def refused(self, started_at: float, trial: Trial, passed: Callable[[float], float]) -> None:
        """A request that started then was refused; `passed` returns how many passed in so many seconds before it."""
        rate, held_s = self.rate(started_at, trial), max(0.05, started_at - self.resumed_at)
        sustained = self._beside_reserves(tuning.SPAN_S, held_s, passed)
        if self._is_settled and held_s < trial.hold_s:
            power = self._falls + (2 if held_s < tuning.ENOUGH_S else 1)
            fallen = self.known * tuning.FALLEN ** min(power, tuning.FALLS_MAX)
            self._falls = 0 if sustained > fallen else self._falls + 1
            self.known = max(fallen, min(sustained, tuning.KEEP_CAREFUL * self.known))
        elif held_s < tuning.ENOUGH_S:
            self._narrow(passed(held_s) / (held_s + tuning.RESERVES_S), rate)
        else:
            earlier = self.rate(started_at - tuning.EARLIER_S, trial)
            since_s = min(held_s, tuning.WINDOW_S)
            returned = min(trial.expected, self._beside_reserves(tuning.SPAN_RETURNED_S, held_s, passed))
            self.known = max(min(earlier, passed(since_s) / since_s), sustained, returned)
            self._is_settled, self._falls = True, 0
        self.known = max(tuning.RATE_MIN, self.known)

    def _narrow(self, lowest: float, highest: float) -> None:
        """The limit is between these, for the rate was too high from the start.

        A server that counts by the clock, in windows of a second or more, allows what it accepted at first, at once.
        """
        self.known, self._highest = between(lowest, highest, tuning.LATER_GUESS), highest
        if self._passed_at_first >= tuning.COUNTED_MIN and lowest < self._passed_at_first < highest:
            self.known = self._highest = tuning.KEEP_CAREFUL * self._passed_at_first

    def _beside_reserves(self, span_min_s: float, held_s: float, passed: Callable[[float], float]) -> float:
        """Return what the limit has added to the server's reserves per second, in that span in which it was most.

        While less is sent than the limit, full reserves do not grow: in that span, all of the limit was used.
        """
        longest_s = min(held_s, self._first_s + tuning.SPANS * tuning.SPAN_STEP_S)
        spans_s = (longest_s - step * tuning.SPAN_STEP_S for step in range(tuning.SPANS))
        enough_s = self._first_s + span_min_s
        rates = ((passed(s) - self._passed_at_first) / (s - self._first_s) for s in spans_s if s >= enough_s)
        return max(rates, default=0.0)


def between(lowest: float, highest: float, share: float) -> float:
    """Return what lies between two rates: at 0 the lowest, at 1 the highest, at 1/2 the geometric mean."""
    at_least = max(tuning.RATE_MIN, lowest)
    return at_least * exp(share * log(max(tuning.RATE_MIN, highest) / at_least))


def _growth(seconds: float, step: float) -> float:
    return 1 + step * (exp2(min(max(0.0, seconds), 10.0)) - 1)
