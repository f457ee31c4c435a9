"""The rate as a function of time: doubling at the start; dip, hold and probe after each refusal. Pure.

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
from engine.pacing.learned.block import Block
from engine.pacing.learned.estimate import Estimate, Measured, Tally


class Course:
    """Where the rate stands since the last refusal or silence. Times are of a monotonic clock, in seconds."""

    def __init__(self, estimate: Estimate, tally: Tally, block: Block) -> None:
        self.cut_at = -inf
        """The last refusal that counted."""
        self.resumed_at = -inf
        """When the dip began, as it were: what is no proof of anything is not counted."""
        self.refusals = 0
        """Since the last cut, itself included."""
        self._quiet_until = -inf
        self._estimate = estimate
        self._tally = tally
        self._block = block

    def begin(self, started_at: float) -> None:
        """The first request started then."""
        self.resumed_at = max(self.resumed_at, started_at)

    def cut(self, now: float, refusals: int, *, dip: bool = True) -> None:
        """The limit was corrected; the refusals that led to it were so many."""
        self.cut_at = now
        self.resumed_at = now if dip else now - 1.0
        self.refusals = refusals

    def silent(self, start: float, until: float) -> None:
        """Nothing may start from `start` `until` then; after it, the hold goes on where it stopped."""
        self.resumed_at += until - max(start, self._quiet_until)
        self._quiet_until = until

    def measure(self, now: float, *, refused_anyhow: float) -> Measured:
        """Return what was accepted until `now`; so large a share would have passed the limit, but for noise."""
        tally = self._tally
        until = now - tally.round_trip_s
        window_s = max(tuning.WINDOW_S, self._block.period_s)
        since = max(until - window_s, min(until - tuning.LATEST_S, self.cut_at), tally.first_at)
        latest = tally.rate(max(until - tuning.LATEST_S, self.resumed_at), until)
        usual = 1 / (1 - refused_anyhow)
        return Measured(until, until - since, usual * tally.rate(since, until), usual * latest)

    def hold_s(self, known: float, now: float) -> float:
        """How long the known limit is held before more is tried: the more refusals led to it, the longer."""
        longest_s = tuning.FORMER_HOLD_S if self._estimate.former.is_expected(known, now) else tuning.HOLD_MAX_S
        return min(longest_s, max(tuning.HOLD_MIN_S, self.refusals / (tuning.REFUSED_SHARE * known)))

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
        probing_s = held_s - (0.0 if self._estimate.is_searching else self.hold_s(known, now))
        if probing_s <= 0:
            return tuning.KEEP * known
        if not self.is_used(now, rate):
            self.resumed_at += for_s  # growing proves nothing while something else is the limit
            return rate
        doublings = min(probing_s / max(1.0, self._tally.round_trip_s, self._block.period_s), 10.0)
        step = tuning.STEP_SEARCHING if self._estimate.is_searching or is_expected_back else tuning.STEP
        return tuning.KEEP * known * (1 + step * (exp2(doublings) - 1))

    def _at_start(self, now: float, rate: float, for_s: float) -> float:
        tally = self._tally
        at_risk = max(tuning.AT_RISK, tuning.AT_RISK_SHARE * tally.total)
        bound = tally.sustained(now) + at_risk / min(tally.round_trip_s, tuning.REFUSAL_S)
        return max(rate, min(rate * exp2(min(1.0, for_s / tally.round_trip_s)), bound))

    def is_used(self, now: float, rate: float) -> bool:
        """Whether requests start as fast as they may; assumed as long as too few replies are here to tell."""
        until = now - self._tally.round_trip_s
        since = max(until - 1.0, self.resumed_at, self._quiet_until)
        return until - since < 0.5 or self._tally.rate(since, until) >= tuning.USED * rate
