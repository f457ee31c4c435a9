"""The limit on requests per second, learned from what a server accepts and refuses. Pure; the clock comes in.

The rate is a function of time: doubling at the start; dip, hold and probe after each refusal or silence. What a refusal
says about the limit is in `estimate.py`, which refusals are none of a limit in `noise.py`.

Until the first refusal the rate doubles in every round trip, but exceeds what the server is known to sustain (all it
accepted, as if its reserves were a second's worth) by no more than a few requests per round trip: so many are lost, at
most, when the limit is hit.

Then go a little slower right after a refusal (the server has nothing left), hold the known limit, and after a while
grow to see whether it has risen: by 2 %, 4 %, 8 % ... a second, so that a limit that is still the same costs a refusal
or two, and one that has doubled is found in seconds. The dearer refusals are, the longer the hold.
"""

from __future__ import annotations

from math import exp2, inf

from engine.pacing.learned import tuning
from engine.pacing.learned.estimate import Estimate, Measured, Savings, Tally
from engine.pacing.learned.noise import Noise
from engine.pacing.limiter import BURST_S, Limit, Move, Why


class Course:
    """Where the rate stands since the last refusal or silence. Times are of a monotonic clock, in seconds."""

    def __init__(self, estimate: Estimate, savings: Savings, tally: Tally) -> None:
        self.cut_at = -inf
        """The last refusal that counted."""
        self.resumed_at = -inf
        """When the dip began, as it were: what is no proof of anything is not counted."""
        self.refusals = 0
        """Since the last cut, itself included."""
        self._quiet_until = -inf
        self._estimate = estimate
        self._savings = savings
        self._tally = tally

    def begin(self, started_at: float) -> None:
        """The first request started then."""
        self.resumed_at = max(self.resumed_at, started_at)

    def cut(self, now: float, refusals: int, *, dip: bool = True) -> None:
        """The limit was corrected; the refusals that led to it were so many."""
        self.cut_at = now
        self.resumed_at = now if dip else now - 1.0
        self.refusals = refusals
        self._savings.silence_s = 0.0

    def silent(self, start: float, until: float, *, goes_on: bool) -> None:
        """Nothing may start from `start` `until` then; after it the hold `goes_on` where it stopped, or begins anew."""
        if goes_on:
            self.resumed_at += until - max(start, self._quiet_until)
        else:
            self.resumed_at = until
            self._savings.silence_s = until - start
        self._quiet_until = until

    def measure(self, now: float, *, refused_anyhow: float) -> Measured:
        """Return what was accepted until `now`; so large a share would have passed the limit, but for noise."""
        tally, silence_s = self._tally, self._savings.silence_s
        until = now - tally.round_trip_s
        saved_from = self.resumed_at - self._savings.worth_s  # the silence before that was lost
        since = max(until - tuning.WINDOW_S, min(until - tuning.LATEST_S, self.cut_at), saved_from)
        latest = tally.rate(max(until - tuning.LATEST_S, self.resumed_at), until)
        usual = 1 / (1 - refused_anyhow)
        whole = tally.rate(self.cut_at, self.cut_at + (silence_s + (until - since))) if silence_s else None
        return Measured(until, until - since, usual * tally.rate(since, until), usual * latest, whole)

    def accepted_since_cut(self, until: float) -> float:
        """Return the rate of what was accepted; the part of a silence that is not saved up does not count."""
        return self._tally.rate(self.cut_at + self._savings.lost_s(), until)

    def rate(self, now: float, rate: float, for_s: float) -> float:
        """Return how many requests may start per second; it is `rate`, and has been for so many seconds."""
        known = self._estimate.known
        if known is None:
            return self._at_start(now, rate, for_s)
        held_s = now - self.resumed_at - min(1.0, tuning.DIP_REQUESTS / ((1 - tuning.DIP) * known))
        if held_s < 0:
            return tuning.DIP * (tuning.KEEP * known)
        self._estimate.held(held_s)
        is_expected_back = self._estimate.former.is_expected(known, now)
        probing_s = held_s - min(self._hold_s(known), tuning.FORMER_HOLD_S if is_expected_back else inf)
        if probing_s <= 0:
            return tuning.KEEP * known
        if not self._is_used(now, rate):
            self.resumed_at += for_s  # growing proves nothing while something else is the limit
            return rate
        doublings = min(probing_s / max(1.0, self._tally.round_trip_s), 10.0)
        step = tuning.STEP_SEARCHING if self._estimate.is_searching or is_expected_back else tuning.STEP
        return tuning.KEEP * known * (1 + step * (exp2(doublings) - 1))

    def _at_start(self, now: float, rate: float, for_s: float) -> float:
        tally = self._tally
        at_risk = max(tuning.AT_RISK, tuning.AT_RISK_SHARE * tally.total)
        bound = tally.sustained(now) + at_risk / min(tally.round_trip_s, tuning.REFUSAL_S)
        return max(rate, min(rate * exp2(min(1.0, for_s / tally.round_trip_s)), bound))

    def _hold_s(self, known: float) -> float:
        """How long the known limit is held before more is tried: the dearer refusals are, the longer."""
        if self._estimate.is_searching:
            return 0.0
        dear_s = max(self.refusals / (tuning.REFUSED_SHARE * known), self._savings.lost_s(2) / tuning.LOST_SHARE)
        return min(tuning.HOLD_MAX_S, max(tuning.HOLD_MIN_S, dear_s))

    def _is_used(self, now: float, rate: float) -> bool:
        """Whether requests start as fast as they may; assumed as long as too few replies are here to tell."""
        until = now - self._tally.round_trip_s
        since = max(until - 1.0, self.resumed_at, self._quiet_until)
        return until - since < 0.5 or self._tally.rate(since, until) >= tuning.USED * rate


class RateLimit:
    """Requests that may start per second. Times are of a monotonic clock, in seconds."""

    def __init__(self, ceiling: float, start: float, known: float | None) -> None:
        self.rate = min(ceiling, start)
        self.estimate = Estimate(None if known is None else min(ceiling, known))
        self.savings = Savings()
        self.noise = Noise()
        self._tally = Tally()
        self._course = Course(self.estimate, self.savings, self._tally)
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
        if self.rate < tuning.WORTH_TELLING * self._told:
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

        It started at `started_at`, when so many requests were `in_flight`, and its reply came `now`.
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
        if self._ceiling <= tuning.RATE_AT_START:
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
        average = self._tally.rate(now - tuning.WINDOW_S, now)
        self.estimate.doubt(self.estimate.known, average)
        return Move(now, Limit.RATE, self.rate, self.rate, Why.REFUSED_AFTER_SILENCE, (average,))

    def _moved(self, now: float, before: float, why: Why, *figures: float) -> Move:
        self._told = self.rate
        return Move(now, Limit.RATE, before, self.rate, why, figures)
