"""What to do after an attempt that settled nothing: wait, isolate, or give up. Pure; clocks and dice come in.

Full jitter as in "Exponential Backoff And Jitter" (AWS Architecture Blog); the budget as in Google's SRE book, chapter
"Addressing Cascading Failures": retries are a share of successes, so an outage never turns into a storm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from engine.api import Trouble


@dataclass(frozen=True, slots=True)
class Wait:
    """Send the same bytes again after `delay_s`."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Isolate:
    """Waiting won't help: find out by halves which records are to blame."""

    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The outage outlasts what may be waited: stop, resumable."""

    reason: str


Decision = Wait | Isolate | GiveUp


@dataclass(slots=True)
class Trials:
    """What happened to one request so far."""

    outages: int = 0
    throttles: int = 0
    contradictions: int = 0
    successes_before: int = 0
    """How many requests of the run had succeeded when this one was first sent."""

    def add(self, trouble: Trouble) -> None:
        """Count one more attempt that settled nothing."""
        self.outages += trouble is Trouble.OUTAGE
        self.throttles += trouble is Trouble.THROTTLED
        self.contradictions += trouble is Trouble.CONTRADICTION

    @property
    def tried(self) -> int:
        """All of them."""
        return self.outages + self.throttles + self.contradictions


@dataclass(frozen=True, slots=True)
class Setback:
    """An attempt that settled nothing, and how the run stands."""

    reason: str  # what the attempt came to
    trials: Trials  # all attempts of the request, this one included
    others_succeeded: int  # requests of others that succeeded since this one was first sent
    outage_s: float  # for how long no request of the run has succeeded although some were tried
    time_left_s: float  # until the deadline of the run; infinite without one
    retry_after_s: float | None  # what the server asked for, already validated


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of waiting and trying."""

    retry_window_s: float = 900.0
    """How long an outage (no request succeeds) is waited out."""
    first_delay_s: float = 0.5
    delay_s_max: float = 8.0
    """Also the longest time between two probes in an outage, so a recovery is noticed soon."""
    contradictions_max: int = 3
    attempts_max: int = 8
    """After so many failures of one request, while others succeed, the request itself is suspected."""
    others_min: int = 3
    """So many others must have succeeded since it was first sent."""
    dice: Random = field(default_factory=Random)
    """The source of jitter."""

    def decide(self, after: Setback) -> Decision:
        """Decide what becomes of the request."""
        trials = after.trials
        if trials.contradictions >= self.contradictions_max:
            return Isolate(after.reason)
        if trials.outages >= self.attempts_max and after.others_succeeded >= self.others_min:
            return Isolate(after.reason)
        delay_s = after.retry_after_s
        if delay_s is None:
            delay_s = self.dice.uniform(0, min(self.delay_s_max, self.first_delay_s * 2 ** min(trials.tried, 30)))
        if after.outage_s + delay_s > self.retry_window_s:
            since = f"no request has succeeded for {after.outage_s:.0f} s"
            return GiveUp(f"{after.reason}; {since} (upload.retry_window_s)")
        if delay_s > after.time_left_s:
            return GiveUp(f"{after.reason}; waiting {delay_s:.0f} s would pass the deadline")
        return Wait(delay_s)
