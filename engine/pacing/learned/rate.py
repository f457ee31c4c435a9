"""The limit on requests per second, learned from what a server accepts and refuses. Pure; the clock comes in.

Each part knows one thing: `course.py` how the rate moves with time, `estimate.py` what a refusal says about the limit,
`savings.py` what a silence is worth, `noise.py` which refusals are none of a limit, `tally.py` what was accepted. Here
they are told what happened, in turn.
"""

from __future__ import annotations

from math import inf

from engine.pacing.learned.course import Course
from engine.pacing.learned.estimate import Estimate
from engine.pacing.learned.noise import Noise
from engine.pacing.learned.savings import Savings
from engine.pacing.learned.tally import Tally
from engine.pacing.learned.tuning import Tuning
from engine.pacing.limiter import BURST_S, Limit, Move, Why


class RateLimit:
    """Requests that may start per second. Times are of a monotonic clock, in seconds."""

    def __init__(self, ceiling: float, start: float, known: float | None, tuning: Tuning) -> None:
        self.rate = min(ceiling, start)
        self.estimate = Estimate(None if known is None else min(ceiling, known), tuning)
        self.savings = Savings(tuning)
        self.noise = Noise(tuning)
        self._tally = Tally(tuning)
        self._course = Course(self.estimate, self.savings, self._tally, tuning)
        self._tuning = tuning
        self._ceiling = ceiling
        self._moved_at = 0.0
        self._told = self.rate

    def accepted(self, started_at: float, now: float) -> Move | None:
        """A request was accepted: grow, as the phase has it. Return the move, if the rate has grown much."""
        self._begin(started_at)
        self._tally.took(now - started_at)
        self.admitted(started_at)
        self.rate = self._rate(now)
        self._moved_at = now
        if self.rate < self._tuning.worth_telling * self._told:
            return None
        if self.estimate.known is None:
            return self._moved(now, self._told, Why.NEVER_REFUSED)
        return self._moved(now, self._told, Why.NOT_REFUSED, now - self._course.cut_at)

    def admitted(self, started_at: float) -> None:
        """A request was not refused because of its rate."""
        self._tally.add(started_at)
        self.noise.passed(self._level(started_at))

    def refused(self, started_at: float, now: float, in_flight: int) -> Move | None:
        """A request was refused: fall to what was accepted, once per round trip. Return the move, if the limit moved.

        Args:
            started_at: when it started; `now` is when its reply came.
            now: the time.
            in_flight: requests in flight when it started.
        """
        self._begin(started_at)
        before_cuts = self.noise.proven_by(self._level(started_at))
        if before_cuts is not None:
            return self._undo(now, before_cuts)
        if self.noise.tolerates():
            return None
        self._course.refusals += max(1, self.noise.suspects)
        if started_at < self._course.cut_at:
            return None  # sent before the last cut could help
        if self.savings.overdrawn(started_at):
            return self._overdrawn(now)
        return self._cut(now, in_flight)

    def silent(self, start: float, until: float) -> None:
        """Nothing may start from `start` `until` then, because the server said so. May be told again, if it grows."""
        self._course.silent(start, until, goes_on=self.noise.is_tolerated)
        if not self.estimate.is_searching:
            self.savings.open(until, until - start, self.rate)

    def _begin(self, started_at: float) -> None:
        """Take note of the first request; the server has saved up until then, which matters where little is allowed."""
        if not self._tally.begin(started_at):
            return
        self._moved_at = started_at
        self._course.begin(started_at)
        if self._ceiling <= self._tuning.rate_at_start:
            self.savings.spend(started_at, BURST_S)

    def _rate(self, now: float) -> float:
        return min(self._ceiling, self._course.rate(now, self.rate, now - self._moved_at))

    def _level(self, started_at: float) -> float:
        """The rate that a request was sent at; unknown (infinite) if others may have used up what the server saves."""
        if started_at < self._course.cut_at or self.savings.doubtful(started_at):
            return inf
        return self.rate

    def _cut(self, now: float, in_flight: int) -> Move:
        """Fall to what was accepted."""
        measured = self._course.measure(now, refused_anyhow=self.noise.share)
        before, known, cut_at = self.rate, self.estimate.known, self._course.cut_at
        if cut_at > -inf:
            self.noise.accepted_between(self._course.accepted_since_cut(measured.until) / (1 - self.noise.share))
        if known is None:
            self.estimate.guess(self._tally.sustained(now, in_flight), before)
            self._course.cut(now, 0)  # these are the price of the start, not of a search for more
        else:
            lower = self.estimate.correct(known, before, measured)
            if lower < 0.8 * known:
                self.savings.believe()
            self.estimate.former.replaced(known, lower, now - cut_at, now)
            self._course.cut(now, max(1, self.noise.suspects))
        self.rate = self._rate(now)
        return self._moved(now, before, Why.REFUSED, before, measured.average)

    def _undo(self, now: float, known: float) -> Move:
        """Cuts have bought nothing: take them back, and grow from there."""
        before = self.rate
        self.estimate.search_from(known)
        self._course.cut(now, 0, dip=False)
        self.rate = self._rate(now)
        return self._moved(now, before, Why.REFUSED_ANYHOW, before, self.noise.share)

    def _overdrawn(self, now: float) -> Move | None:
        """Savings were spent that the server does not have."""
        self._course.cut_at = now
        if self.estimate.saves is not None or self.estimate.known is None:
            return None
        average = self._tally.rate(now - self._tuning.window_s, now)
        self.estimate.doubt(self.estimate.known, average)
        return Move(now, Limit.RATE, self.rate, self.rate, Why.REFUSED_AFTER_SILENCE, (average,))

    def _moved(self, now: float, before: float, why: Why, *figures: float) -> Move:
        self._told = self.rate
        return Move(now, Limit.RATE, before, self.rate, why, figures)
