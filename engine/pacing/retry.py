"""What to do after an attempt that settled nothing: wait, isolate, or give up. Pure; clocks and dice come in.

Full jitter as in "Exponential Backoff And Jitter" (AWS Architecture Blog); the budget as in Google's SRE book, chapter
"Addressing Cascading Failures": retries are a share of successes, so an outage never turns into a storm.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from engine.api import Trouble, TryAgain


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of waiting and trying."""

    window_s: float = 900.0
    """How long an outage (no request succeeds) is waited out."""
    first_delay_s: float = 0.5
    delay_s_max: float = 8.0
    """Also the longest time between two probes in an outage, so a recovery is noticed soon."""
    contradictions_max: int = 3
    attempts_max: int = 8
    """After so many failures of one request, while others succeed, the request itself is suspected."""
    others_min: int = 3
    """So many others must have succeeded since it was first sent."""


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


def decide(
    verdict: TryAgain,
    trials: Trials,
    policy: RetryPolicy,
    *,
    outage_s: float,
    others_succeeded: int,
    time_left_s: float,
    retry_after_s: float | None,
    dice: Random,
) -> Decision:
    """Decide after the latest attempt, which is counted in `trials` already.

    Args:
        verdict: what the latest attempt came to.
        trials: all attempts of this request.
        policy: the limits.
        outage_s: for how long no request of the run has succeeded although some were tried.
        others_succeeded: requests of others that succeeded since this one was first sent.
        time_left_s: until the deadline of the run; infinite without one.
        retry_after_s: what the server asked for, already validated.
        dice: the source of jitter.
    """
    if trials.contradictions >= policy.contradictions_max:
        return Isolate(verdict.reason)
    if trials.outages >= policy.attempts_max and others_succeeded >= policy.others_min:
        return Isolate(verdict.reason)
    if retry_after_s is not None:
        delay_s = retry_after_s
    else:
        tried = trials.outages + trials.throttles + trials.contradictions
        delay_s = dice.uniform(0, min(policy.delay_s_max, policy.first_delay_s * 2 ** min(tried, 30)))
    if outage_s + delay_s > policy.window_s:
        return GiveUp(f"{verdict.reason}; no request has succeeded for {outage_s:.0f} s (upload.retry_window_s)")
    if delay_s > time_left_s:
        return GiveUp(f"{verdict.reason}; waiting {delay_s:.0f} s would pass the deadline")
    return Wait(delay_s)
