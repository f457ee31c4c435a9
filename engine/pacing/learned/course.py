"""The rate as a function of time: doubling at the start; dip, hold and probe after each refusal or silence. Pure.

Until the first refusal the rate doubles in every round trip, but exceeds what the server is known to sustain (all it
accepted, as if its reserves were a second's worth) by no more than a few requests per round trip: so many are lost, at
most, when the limit is hit.

Then go a little slower right after a refusal (the server has nothing left), hold the known limit, and after a while
grow to see whether it has risen: by 2 %, 4 %, 8 % ... a second, so that a limit that is still the same costs a refusal
or two, and one that has doubled is found in seconds. The dearer refusals are, the longer the hold.
"""

from __future__ import annotations

from math import exp2, inf

from engine.pacing.learned.estimate import Estimate
from engine.pacing.learned.savings import Savings
from engine.pacing.learned.tally import Measured, Tally
from engine.pacing.learned.tuning import Tuning


class Course:
    """Where the rate stands since the last refusal or silence. Times are of a monotonic clock, in seconds."""

    def __init__(self, estimate: Estimate, savings: Savings, tally: Tally, tuning: Tuning) -> None:
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
        self._tuning = tuning

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
        tally, tuning, silence_s = self._tally, self._tuning, self._savings.silence_s
        until = now - tally.round_trip_s
        saved_from = self.resumed_at - self._savings.worth_s  # the silence before that was lost
        since = max(until - tuning.window_s, min(until - tuning.latest_s, self.cut_at), saved_from)
        latest = tally.rate(max(until - tuning.latest_s, self.resumed_at), until)
        usual = 1 / (1 - refused_anyhow)
        whole = tally.rate(self.cut_at, self.cut_at + (silence_s + (until - since))) if silence_s else None
        return Measured(until, until - since, usual * tally.rate(since, until), usual * latest, whole)

    def accepted_since_cut(self, until: float) -> float:
        """Return the rate of what was accepted; the part of a silence that is not saved up does not count."""
        return self._tally.rate(self.cut_at + self._savings.lost_s(), until)

    def rate(self, now: float, rate: float, for_s: float) -> float:
        """Return how many requests may start per second; it is `rate`, and has been for so many seconds."""
        known, tuning = self._estimate.known, self._tuning
        if known is None:
            return self._at_start(now, rate, for_s)
        held_s = now - self.resumed_at - min(1.0, tuning.dip_requests / ((1 - tuning.dip) * known))
        if held_s < 0:
            return tuning.dip * (tuning.keep * known)
        self._estimate.held(held_s)
        is_expected_back = self._estimate.former.is_expected(known, now)
        probing_s = held_s - min(self._hold_s(known), tuning.former_hold_s if is_expected_back else inf)
        if probing_s <= 0:
            return tuning.keep * known
        if not self._is_used(now, rate):
            self.resumed_at += for_s  # growing proves nothing while something else is the limit
            return rate
        doublings = min(probing_s / max(1.0, self._tally.round_trip_s), 10.0)
        step = tuning.step_searching if self._estimate.is_searching or is_expected_back else tuning.step
        return tuning.keep * known * (1 + step * (exp2(doublings) - 1))

    def _at_start(self, now: float, rate: float, for_s: float) -> float:
        tally, tuning = self._tally, self._tuning
        at_risk = max(tuning.at_risk, tuning.at_risk_share * tally.total)
        bound = tally.sustained(now) + at_risk / min(tally.round_trip_s, tuning.refusal_s)
        return max(rate, min(rate * exp2(min(1.0, for_s / tally.round_trip_s)), bound))

    def _hold_s(self, known: float) -> float:
        """How long the known limit is held before more is tried: the dearer refusals are, the longer."""
        if self._estimate.is_searching:
            return 0.0
        tuning = self._tuning
        dear_s = max(self.refusals / (tuning.refused_share * known), self._savings.lost_s(2) / tuning.lost_share)
        return min(tuning.hold_max_s, max(tuning.hold_min_s, dear_s))

    def _is_used(self, now: float, rate: float) -> bool:
        """Whether requests start as fast as they may; assumed as long as too few replies are here to tell."""
        until = now - self._tally.round_trip_s
        since = max(until - 1.0, self.resumed_at, self._quiet_until)
        return until - since < 0.5 or self._tally.rate(since, until) >= self._tuning.used * rate
