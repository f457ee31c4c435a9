"""The limit on requests per second, learned from what a server accepts and refuses. Pure; the clock comes in.

How the rate moves between refusals is in `course.py`, and in `careful.py` where each refusal costs a silence. What a
refusal says about the limit is in `estimate.py`, which refusals are none of a limit in `noise.py`, and in `block.py`
what is done when everything is refused.
"""

from __future__ import annotations

from math import inf

from engine.pacing.learned import tuning
from engine.pacing.learned.block import Block
from engine.pacing.learned.careful import Careful, Trial
from engine.pacing.learned.course import Course
from engine.pacing.learned.estimate import Estimate, Tally
from engine.pacing.learned.noise import Noise
from engine.pacing.limiter import BURST_S, Limit, Move, Why


class RateLimit:
    """Requests that may start per second. Times are of a monotonic clock, in seconds."""

    def __init__(self, ceiling: float, start: float, known: float | None) -> None:
        self.rate = min(ceiling, start)
        self.estimate = Estimate(None if known is None else min(ceiling, known))
        self.noise = Noise()
        self.block = Block()
        self._careful: Careful | None = None
        self._tally = Tally()
        self._course = Course(self.estimate, self._tally, self.block)
        self._ceiling = ceiling
        self._moved_at = 0.0
        self._told = self.rate
        self._hurry_until = -inf
        self._doubts_ceiling = False

    def wanted(self, now: float) -> float:
        """Requests that should start per second, now; faster than the rate at the very start if that is low."""
        return min(self.block.rate_max, self.rate * (tuning.FASTER if now < self._hurry_until else 1.0))

    def accepted(self, started_at: float, now: float) -> Move | None:
        """A request was accepted: grow, as the phase has it. Return the move, if the rate has grown much."""
        self._begin(started_at)
        self._tally.took(now - started_at)
        self.admitted(started_at, now)
        if self._doubts_ceiling and started_at >= self._course.cut_at:
            self._trust_ceiling()
        period = self.block.accepted(started_at, self._tally.first_at)
        if period is not None:
            return self._after_block(now, self._tally.rate(*period))
        self._set(now)
        if self.rate < tuning.WORTH_TELLING * self._told:
            return None
        if self.estimate.known is None:
            return self._moved(now, self._told, Why.NEVER_REFUSED)
        return self._moved(now, self._told, Why.NOT_REFUSED, now - self._course.cut_at)

    def admitted(self, started_at: float, now: float) -> None:
        """A request was not refused because of its rate."""
        self._tally.add(started_at, now)
        self.noise.passed(self._level(started_at))

    def refused(self, started_at: float, now: float, in_flight: int, silent_until: float | None = None) -> Move | None:
        """A request was refused: fall to what was accepted, once per round trip. Return the move, if the limit moved.

        It started at `started_at`, when so many requests were `in_flight`, and its reply came `now`. The silence that
        the server asked for, if any, lasts until `silent_until`.
        """
        self._begin(started_at - (in_flight - 1) / self.rate)  # if no other has been answered
        if started_at >= self._course.cut_at and self.block.refused(started_at):
            return None
        if self.rate >= self._ceiling and self._course.cut_at == -inf and started_at >= self._hurry_until:
            self.noise.assume()  # somebody has set this rate, and all but this request passed
        before_cuts = self.noise.proven_by(self._level(started_at))
        if before_cuts is not None:
            return self._undo(now, before_cuts)
        if self.noise.tolerates():
            return None
        self._course.refusals += max(1, self.noise.suspects)
        if started_at < self._course.cut_at:
            return None  # sent before the last cut could help
        if started_at < self._hurry_until:
            self._hurry_until, self._course.cut_at = -inf, now
            return None  # the server has no reserves, that is all
        if silent_until is not None or self._careful:
            return self._cut_carefully(started_at, now, in_flight, silent_until or now)
        return self._cut(now, in_flight)

    def silent(self, start: float, until: float) -> None:
        """Nothing may start from `start` `until` then, because the server said so. May be told again, if it grows."""
        self.block.forget()
        self._course.silent(start, until)
        if self._careful and self.noise.is_tolerated:
            self._careful.wait(until - start)

    def _begin(self, started_at: float) -> None:
        """Take note of the first request; the server has saved up until then, which matters where little is allowed."""
        if not self._tally.begin(started_at):
            return
        self._moved_at = started_at
        self._course.begin(started_at)
        if self._ceiling <= tuning.RATE_AT_START:
            self._hurry_until = started_at + BURST_S

    def _set(self, now: float) -> None:
        """Set the rate to what it should be now."""
        for_s, self._moved_at = now - self._moved_at, now
        if self._careful is None:
            self.rate = min(self._ceiling, self._course.rate(now, self.rate, for_s))
            return
        if not self._course.is_used(now, self.rate):
            self._careful.wait(for_s)  # growing proves nothing while something else is the limit
        self.rate = min(self._ceiling, self._careful.rate(now, self._trial(now)))

    def _trial(self, now: float) -> Trial:
        """When more than the known limit is tried, where each refusal costs a silence."""
        former = self.estimate.former
        if former.is_expected(self.estimate.known or inf, now):
            return Trial(tuning.FORMER_HOLD_S, tuning.STEP_BOLD, former.limit)
        return Trial(tuning.HOLD_CAREFUL_S, tuning.STEP)

    def _level(self, started_at: float) -> float:
        """The rate that a request was sent at; unknown (infinite) if others may have used up what the server saves."""
        return inf if started_at < max(self._course.cut_at, self._hurry_until) else self.rate

    def _cut(self, now: float, in_flight: int) -> Move:
        """Fall to what was accepted."""
        measured = self._course.measure(now, refused_anyhow=self.noise.share)
        before, known, cut_at = self.rate, self.estimate.known, self._course.cut_at
        self._account_for(cut_at, measured.until)
        if known is None:
            self.estimate.guess(self._tally.sustained(now, in_flight), before)
            self._doubts_ceiling = before >= self._ceiling
            self._course.cut(now, 0)  # these are the price of the start, not of a search for more
        else:
            lower = self.estimate.correct(known, before, measured)
            self.estimate.former.replaced(known, lower, now)
            self._course.cut(now, max(1, self.noise.suspects))
        self._set(now)
        return self._moved(now, before, Why.REFUSED, before, measured.average)

    def _account_for(self, since: float, until: float) -> None:
        """Tell what was accepted between two refusals, if that was long enough to say something."""
        if since > -inf and until - since >= 1.0:
            self.noise.accepted_between(self._tally.rate(since, until) / (1 - self.noise.share))

    def _trust_ceiling(self) -> None:
        """After the first cut, from the ceiling that somebody has set: if no other refusal came, it is not far off."""
        self._doubts_ceiling = False
        if self._course.refusals == 0 and self.estimate.known is not None:
            self.estimate.search_from(max(self.estimate.known, tuning.TRUSTED * self._ceiling))

    def _cut_carefully(self, started_at: float, now: float, in_flight: int, resumes_at: float) -> Move:
        """Fall to what is believed to be right, for the next refusal costs another silence."""
        before, known, tally = self.rate, self.estimate.known, self._tally

        def passed(seconds: float) -> float:
            return tally.before(started_at, seconds, in_flight)

        if self._careful is None:
            first_s = max(0.05, started_at - tally.first_at)
            self._careful = Careful(max(1.0, passed(first_s)), first_s, known)
        else:
            silence_s = self._careful.resumed_at - self._course.cut_at
            self._account_for(self._careful.resumed_at - tuning.SAVED_UP * silence_s, started_at)
            self._careful.refused(started_at, self._trial(now), passed)
        self._careful.resumed_at = resumes_at
        self.estimate.found(self._careful.known)
        if known is not None:
            self.estimate.former.replaced(known, self._careful.known, now)
        self._course.cut(now, 1)
        self._set(now)
        return self._moved(now, before, Why.REFUSED, before, tally.rate(now - tuning.WINDOW_S, now))

    def _after_block(self, now: float, passed: float) -> Move:
        """Everything was refused for a while: the limit is what passed between the ends of two such times."""
        before = self.rate
        self.estimate.found(min(passed, self.estimate.known or passed))
        self._course.cut(now, 1)
        self._set(now)
        return self._moved(now, before, Why.REFUSED, before, passed)

    def _undo(self, now: float, known: float) -> Move:
        """Cuts have bought nothing: take them back, and grow from there."""
        before = self.rate
        self._careful = None
        self.estimate.search_from(known)
        self._course.cut(now, 0, dip=False)
        self._set(now)
        return self._moved(now, before, Why.REFUSED_ANYHOW, before, self.noise.share)

    def _moved(self, now: float, before: float, why: Why, *figures: float) -> Move:
        self._told = self.rate
        return Move(now, Limit.RATE, before, self.rate, why, figures)
