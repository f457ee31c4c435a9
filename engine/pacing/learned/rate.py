"""The limit on requests per second, learned from what a server accepts and refuses. Pure; the clock comes in.

Three phases:

1. **Start.** Until the first refusal the rate doubles in every round trip, but exceeds what the server is known to
   sustain (all it accepted, as if its reserves were a second's worth) by no more than a few requests per round trip:
   so many are lost, at most, when the limit is hit.
2. **Search.** The first refusal leaves a range: the limit is above the sustained rate and below the rate now. Start in
   the middle, grow fast, and let the next refusal narrow it.
3. **Known.** Go a little slower right after a refusal (the server has nothing left), hold the known limit, and after a
   while grow to see whether it has risen: by 2 %, 4 %, 8 % ... a second, so that a limit that is still the same costs a
   refusal or two, and one that has doubled is found in seconds. The dearer refusals are, the longer the hold.

What a refusal says depends on the server. One with a bucket of tokens saves up what is not used, so that the limit is
the average between two refusals, and the last second before one was too fast. One that counts windows, or spaces
requests, saves nothing, so that the last second is right, and the average includes our own pauses. Which kind it is, is
found by trying: keep the faster estimate, and if that is refused at once, the server saves.

Refusals that no cut ends are none of a limit, and move nothing: `noise.py`.
"""

from __future__ import annotations

from math import exp2, inf, sqrt

from engine.pacing.learned.noise import Noise
from engine.pacing.learned.savings import Savings
from engine.pacing.learned.tally import Measured, Tally


class RateLimit:
    """Requests that may start per second. Times are of a monotonic clock, in seconds."""

    AT_RISK = 6.0
    """At the start, requests that may be refused before the first refusal is heard of ..."""
    AT_RISK_SHARE = 0.04
    """... or this share of all that were accepted, if that is more."""
    REFUSAL_S = 0.2
    """A refusal is assumed to be heard of within this time, however long an accepted request takes."""
    BURST_S = 1.0
    """A server is assumed to have reserves for so many seconds at the start."""
    DIP = 0.85
    DIP_REQUESTS = 2.0
    """After a refusal the rate stays at `DIP` of its worth until so many requests were spared."""
    KEEP = 0.98
    """The share of the known limit that is used: it lets a server that saves gather a small reserve against jitter."""
    HOLD_MIN_S = 3.0
    HOLD_MAX_S = 20.0
    REFUSED_SHARE = 0.022
    """The hold is so long that the refusals it follows are about this share of what is sent in it ..."""
    LOST_SHARE = 0.05
    """... and the silence that can't be made up for about this share of it."""
    STEP = 0.02
    STEP_SEARCHING = 0.1
    """How much the rate grows in the first second after the hold; it is twice as much in each second that follows."""
    FORMER_S = 60.0
    """A limit that has fallen is expected back for so long:"""
    FORMER_HOLD_S = 5.0
    """it is tried again so often,"""
    RETURNED = 0.75
    """and has come back, or never fell far, at this share of what it was."""
    WINDOW_S = 5.0
    LATEST_S = 1.2
    RISEN = 1.5
    """A refusal at more than so many times the known limit means that the limit has risen."""
    PROVEN_S = 1.5
    """An estimate that was not refused so long after the dip is right."""
    AGAIN_S = 6.0
    """Two falls within this time: the limit has fallen far."""

    def __init__(self, ceiling: float, start: float, known: float | None = None, *, spend_s: float = 0.0) -> None:
        self.ceiling = ceiling
        self.rate = min(ceiling, start)
        self.known = None if known is None else min(ceiling, known)
        """The limit found so far."""
        self.savings = Savings()
        self.noise = Noise()
        self._quiet_until = -inf
        self._tolerated = False
        """Whether the latest refusal was noise."""
        self._searching = known is None
        self._saves: bool | None = None
        self._spend_s = spend_s
        self._tally = Tally()
        self._round_trip_s = 0.2
        self._started_at: float | None = None
        self._moved_at = 0.0
        self._noted_rate = self.rate
        self._cut_at = -inf
        self._resumed_at = -inf
        self._silence_s = 0.0
        self._fell_at = -inf
        self._former = 0.0
        """A limit that was held for long, and has fallen since."""
        self._former_until = -inf
        self._volley = 0
        """Refusals since the last cut, itself included."""

    def accepted(self, started_at: float, now: float) -> str | None:
        """A request was accepted: grow, as the phase has it. Return why, if the rate has grown much."""
        self._begin(started_at)
        self._round_trip_s += 0.1 * (now - started_at - self._round_trip_s)
        self._tally.add(started_at)
        self.noise.passed(self._level(started_at))
        self.rate = min(self.ceiling, self._rate_at_start(now) if self.known is None else self._rate(now, self.known))
        self._moved_at = now
        if self.rate < 1.25 * self._noted_rate:
            return None
        self._noted_rate = self.rate
        return "no refusal so far" if self.known is None else f"no refusal for {now - self._cut_at:.0f} s"

    def _begin(self, started_at: float) -> None:
        """Take note of the first request."""
        if self._started_at is None:
            self._started_at = self._moved_at = started_at
            self._resumed_at = max(self._resumed_at, started_at)
            if self._spend_s:
                self.savings.spend(started_at, self._spend_s)

    def admitted(self, started_at: float) -> None:
        """A request failed for another reason than its rate."""
        self._tally.add(started_at)
        self.noise.passed(self._level(started_at))

    def refused(self, started_at: float, now: float, in_flight: int) -> str | None:
        """A request was refused: fall to what was accepted, once per round trip. Return why, if the limit moved.

        Args:
            started_at: when it started; `now` is when its reply came.
            now: the time.
            in_flight: requests in flight when it started.
        """
        self._begin(started_at)
        before_cuts = self.noise.proven_by(self._level(started_at))
        if before_cuts is not None:
            return self._undo(now, before_cuts)
        self._tolerated = self.noise.tolerates()
        if self._tolerated:
            return None
        self._volley += max(1, self.noise.suspects)
        if started_at < self._cut_at:
            return None  # sent before the last cut could help
        if self.savings.overdrawn(started_at):
            return self._overdrawn(now)
        measured, before = self._measure(now), self.rate
        self._note_accepted(measured)
        if self.known is None:
            self.known = self._first_guess(now, in_flight)
            self._volley = 0  # these are the price of the start, not of a search for more
        else:
            known, held_s = self.known, now - self._cut_at
            self.known = self._found(known, measured)
            self._remember(known, now, held_s)
            self._volley = max(1, self.noise.suspects)
        self._cut_at = self._resumed_at = now
        self._silence_s = 0.0
        self.rate = self._noted_rate = min(self.ceiling, self._rate(now, self.known))
        return f"refused (429) at {before:.3g}/s, while {measured.average:.3g}/s were accepted"

    def silent(self, start: float, until: float) -> None:
        """Nothing may start from `start` `until` then, because the server said so. May be told again, if it grows."""
        if self._tolerated:
            self._resumed_at += until - max(start, self._quiet_until)  # the hold goes on where it stopped
        else:
            self._resumed_at = until
            self._silence_s = until - start
        self._quiet_until = until
        if not self._searching:
            self.savings.open(until, until - start, self.rate)

    def _level(self, started_at: float) -> float:
        """The rate that a request was sent at; unknown (infinite) if others may have used up what the server saves."""
        if started_at < self._cut_at or self.savings.doubtful(started_at):
            return inf
        return self.rate

    def _remember(self, known: float, now: float, held_s: float) -> None:
        """A limit that was good for long and has fallen may come back soon: it is worth more refusals to find out."""
        if now > self._former_until:
            self._former = 0.0
        if held_s >= self.HOLD_MIN_S and self.known is not None and known > max(self.known, self._former):
            self._former, self._former_until = known, now + self.FORMER_S

    def _note_accepted(self, measured: Measured) -> None:
        """Tell what was accepted since the last refusal; the part of a silence that is not saved up does not count."""
        since = self._cut_at + max(0.0, self._silence_s - self.savings.worth_s)
        if self._cut_at > -inf:
            self.noise.accepted_between(self._tally.rate(since, measured.until) / (1 - self.noise.share))

    def _undo(self, now: float, known: float) -> str:
        """Cuts have bought nothing: take them back, and grow from there."""
        self._tolerated = True
        before, self.known, self._searching = self.rate, known, True
        self._cut_at = now
        self._volley, self._silence_s = 0, 0.0
        self._resumed_at = now - 1.0  # no dip
        self.rate = self._noted_rate = min(self.ceiling, self._rate(now, known))
        return f"refused (429) at {before:.3g}/s like before: {self.noise.share:.1%} are refused whatever the rate"

    def _rate_at_start(self, now: float) -> float:
        sustained = self._tally.total / (now - (self._started_at or 0.0) + self.BURST_S)
        at_risk = max(self.AT_RISK, self.AT_RISK_SHARE * self._tally.total)
        bound = sustained + at_risk / min(self._round_trip_s, self.REFUSAL_S)
        doubled = self.rate * exp2(min(1.0, (now - self._moved_at) / self._round_trip_s))
        return max(self.rate, min(doubled, bound))

    def _rate(self, now: float, known: float) -> float:
        """Dip, hold, and probe: the rate as a function of the time since the last refusal or silence."""
        base = self.KEEP * known
        held_s = now - self._resumed_at - min(1.0, self.DIP_REQUESTS / ((1 - self.DIP) * known))
        if held_s < 0:
            return self.DIP * base
        if self._saves is None and not self._searching and held_s > self.PROVEN_S:
            self._saves = False
        is_expected_back = now < self._former_until and known < self.RETURNED * self._former
        probing_s = held_s - min(self._hold_s(known), self.FORMER_HOLD_S if is_expected_back else inf)
        if probing_s <= 0:
            return base
        if not self._is_used(now):
            self._resumed_at += now - self._moved_at  # growing proves nothing while something else is the limit
            return self.rate
        doublings = min(probing_s / max(1.0, self._round_trip_s), 10.0)
        step = self.STEP_SEARCHING if self._searching or is_expected_back else self.STEP
        return base * (1 + step * (exp2(doublings) - 1))

    def _hold_s(self, known: float) -> float:
        """How long the known limit is held before more is tried: the dearer refusals are, the longer."""
        if self._searching:
            return 0.0
        lost_s = max(0.0, self._silence_s - 2 * self.savings.worth_s)
        dear_s = max(self._volley / (self.REFUSED_SHARE * known), lost_s / self.LOST_SHARE)
        return min(self.HOLD_MAX_S, max(self.HOLD_MIN_S, dear_s))

    def _is_used(self, now: float) -> bool:
        """Whether requests start as fast as they may; assumed as long as too few replies are here to tell."""
        until = now - self._round_trip_s
        since = max(until - 1.0, self._resumed_at, self._quiet_until)
        return until - since < 0.5 or self._tally.rate(since, until) >= 0.7 * self.rate

    def _measure(self, now: float) -> Measured:
        until = now - self._round_trip_s
        since = max(
            until - self.WINDOW_S,
            min(until - self.LATEST_S, self._cut_at),
            self._resumed_at - self.savings.worth_s,  # the rest of a silence was lost
        )
        latest = self._tally.rate(max(until - self.LATEST_S, self._resumed_at), until)
        usual = 1 / (1 - self.noise.share)  # what noise refused would have passed the limit
        return Measured(until, until - since, usual * self._tally.rate(since, until), usual * latest)

    def _first_guess(self, now: float, in_flight: int) -> float:
        """The middle of what the limit can be: it has been sustained, or it is just below the rate now."""
        passed_s = now - (now if self._started_at is None else self._started_at)
        sustained = (self._tally.total + in_flight) / (passed_s + self.BURST_S)
        return sqrt(min(sustained, self.rate) * self.rate)

    def _found(self, known: float, measured: Measured) -> float:
        """The limit, after a refusal."""
        if self.rate <= 1.01 * self.KEEP * known:
            return self._fallen(known, measured)
        optimistic = sqrt(max(measured.latest, known) * self.rate)
        if measured.average > 1.15 * known or self.rate > self.RISEN * known:
            self._saves = None
            self._searching = not self._searching  # far off: search once more, unless this was the search
            return optimistic
        was_searching, self._searching = self._searching, False
        if self._saves:
            return max(known, min(measured.average, self.rate))
        return optimistic if was_searching else max(known, measured.latest)

    def _fallen(self, known: float, measured: Measured) -> float:
        """The limit, after a refusal of a rate that was thought to be safe."""
        self._saves, self._searching = True, False
        again, self._fell_at = measured.until - self._fell_at < self.AGAIN_S, measured.until
        if measured.seconds < 0.9:
            return 0.9 * known  # too short a time to measure in
        lower = min(0.95 * known, measured.average)
        if again and self._silence_s:
            whole_s = self._silence_s + measured.seconds
            lower = min(lower, sqrt(lower * self._tally.rate(self._cut_at, self._cut_at + whole_s)))
        if lower < 0.8 * known:
            self.savings.believe()
        return max(0.5 * known, lower)

    def _overdrawn(self, now: float) -> str | None:
        """Savings were spent that the server does not have: the limit is not to blame, unless it was only guessed."""
        self._cut_at = now
        if self._saves is not None or self.known is None:
            return None
        average = self._tally.rate(now - self.WINDOW_S, now)
        self.known = max(0.8 * self.known, min(self.known, average))
        return f"refused (429) after a silence, while {average:.3g}/s were accepted"
