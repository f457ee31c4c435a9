"""After an attempt that settled nothing: wait, probe, isolate or give up; what retries a run can afford, and pauses.

Pure; clocks and dice come in.

Full jitter as in "Exponential Backoff And Jitter" (AWS Architecture Blog); the budget as in Google's SRE book, chapter
"Addressing Cascading Failures": retries are a share of successes, so an outage never turns into a storm.
"""

from __future__ import annotations

from random import Random

from msgspec import Struct, field

from engine.api import Trouble


class Wait(Struct, frozen=True):
    """Send the same bytes again after `delay_s`."""

    delay_s: float


class Isolate(Struct, frozen=True):
    """Waiting won't help: find out by halves which records are to blame."""

    reason: str


class Probe(Struct, frozen=True):
    """It is not known whether the API is down or this request spoils its answer: find out with a part of it.

    The part goes after `delay_s`, instead of the same bytes again.
    """

    delay_s: float
    reason: str


class GiveUp(Struct, frozen=True):
    """The outage outlasts what may be waited: stop, resumable."""

    reason: str
    silence_s: float | None = None
    """For how long the server wants no request, if that is the reason."""


Decision = Wait | Isolate | Probe | GiveUp

_ALIKE = 0.15
"""Two attempts took the same time if they differ by no more than this share."""


class Trials(Struct):
    """What happened to one request so far."""

    outages: int = 0
    throttles: int = 0
    contradictions: int = 0
    successes_before: int = 0
    """How many requests of the run had succeeded when this one was first sent."""
    quiet: int = 0
    """The latest outages of it, between which no other request succeeded either."""
    gave_up_s: float | None = None
    """After how long somebody gave up waiting for the reply to the latest attempt, if that was its end."""
    gave_up_alike: int = 0
    """The latest attempts that all ended so, after the same time."""
    _successes_seen: int = -1

    def add(self, trouble: Trouble, *, successes: int = 0, gave_up_s: float | None = None) -> None:
        """Count one more attempt that settled nothing; by then, `successes` requests of the run had succeeded."""
        self.outages += trouble is Trouble.OUTAGE
        self.throttles += trouble is Trouble.THROTTLED
        self.contradictions += trouble is Trouble.CONTRADICTION
        if trouble is Trouble.OUTAGE:
            self.quiet = self.quiet + 1 if successes == self._successes_seen else 1
            self._successes_seen = successes
        same = gave_up_s is not None and abs(gave_up_s - (self.gave_up_s or 0.0)) <= _ALIKE * gave_up_s
        self.gave_up_alike = self.gave_up_alike + 1 if same else int(gave_up_s is not None)
        self.gave_up_s = gave_up_s

    @property
    def tried(self) -> int:
        """All of them."""
        return self.outages + self.throttles + self.contradictions


class Setback(Struct, frozen=True):
    """An attempt that settled nothing, and how the run stands."""

    reason: str  # what the attempt came to
    trouble: Trouble
    trials: Trials  # all attempts of the request, this one included
    others_succeeded: int  # requests of others that succeeded since this one (a part: since its whole) was first sent
    outage_s: float  # for how long no request of the run has succeeded although some were tried
    time_left_s: float  # until the deadline of the run; infinite without one
    retry_after_s: float | None  # what the server asked for, already validated
    is_part: bool = False  # a part of a chunk that has failed as a whole, sent to find out why
    is_single: bool = False  # a request with one record, which another one tells more about than a part of it


class RetryPolicy(Struct, frozen=True):
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
    quiet_max: int = 4
    """After so many failures of one request, with no success of others between them, a part of it is tried ..."""
    quiet_s: float = 15.0
    """... but not before so many seconds of an outage, for most are over by then ..."""
    quiet_share: float = 1 / 6
    """... or this share of the window, if that is less."""
    gave_up_alike_max: int = 2
    """After so many replies that somebody gave up waiting for, all after the same time, a smaller request is tried."""
    dice: Random = field(default_factory=Random)
    """The source of jitter."""

    def decide(self, after: Setback) -> Decision:
        """Decide what becomes of the request."""
        trials = after.trials
        if trials.contradictions >= self.contradictions_max or self._others_fare_better(after):
            return Isolate(after.reason)
        asked_s, window_left_s = after.retry_after_s, self.retry_window_s - after.outage_s
        if asked_s is not None and asked_s > max(0.0, window_left_s):
            return GiveUp(f"{after.reason}; the server asked for {asked_s:.0f} s of silence (Retry-After)", asked_s)
        if window_left_s <= 0:
            since = f"no request has succeeded for {after.outage_s:.0f} s"
            return GiveUp(f"{after.reason}; {since} (upload.retry_window_s)")
        delay_s = asked_s
        if delay_s is None:
            delay_s = self.dice.uniform(0, min(self.delay_s_max, self.first_delay_s * 2 ** min(trials.tried, 30)))
            delay_s = min(delay_s, window_left_s)  # the last trial is at the end of the window, not before
        if delay_s > after.time_left_s:
            return GiveUp(f"{after.reason}; waiting {delay_s:.0f} s would pass the deadline", asked_s)
        return Probe(delay_s, after.reason) if self._is_suspect(after) else Wait(delay_s)

    def _others_fare_better(self, after: Setback) -> bool:
        """Whether the API is there, and not for this request."""
        if after.is_part:  # to halve it costs no more than to send it again, and finds out more
            return after.trouble is Trouble.OUTAGE and after.others_succeeded > 0
        return after.trials.outages >= self.attempts_max and after.others_succeeded >= self.others_min

    def _is_suspect(self, after: Setback) -> bool:
        """Whether the request may be to blame, although nobody can tell whether the API is there."""
        trials = after.trials
        quiet_s = 0.0 if after.is_single else min(self.quiet_s, self.quiet_share * self.retry_window_s)
        is_quiet = trials.quiet >= self.quiet_max and after.outage_s >= quiet_s
        found = after.is_part or is_quiet or trials.gave_up_alike >= self.gave_up_alike_max
        return found and after.trouble is Trouble.OUTAGE


class RetryBudget:
    """Retries may be a tenth of the successes, plus a few to begin with and a trickle in an outage."""

    PER_SUCCESS = 0.1
    PER_SECOND = 0.25
    TOKENS_MAX = 20.0

    def __init__(self, now: float) -> None:
        self._tokens = self.TOKENS_MAX
        self._filled_at = now

    def succeeded(self) -> None:
        """Earn a share of a retry."""
        self._tokens = min(self.TOKENS_MAX, self._tokens + self.PER_SUCCESS)

    def take(self, now: float) -> float:
        """Spend one retry; return how many seconds it has to wait for its turn (0 while the budget lasts)."""
        self._tokens = min(self.TOKENS_MAX, self._tokens + (now - self._filled_at) * self.PER_SECOND)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self.PER_SECOND)

    def give_back(self) -> None:
        """Return a retry that waits for its turn no more, because the outage is over."""
        self._tokens += 1


class Breaker:
    """Opens after `FAILURES_MAX` failures in a row; while open, one request at a time probes; one success closes it."""

    FAILURES_MAX = 5

    def __init__(self) -> None:
        self._failures = 0
        self._failing_since: float | None = None
        self.successes = 0

    @property
    def failures(self) -> int:
        """Requests that failed one after the other, with no success since."""
        return self._failures

    @property
    def is_open(self) -> bool:
        """Whether only a probe may go."""
        return self._failures >= self.FAILURES_MAX

    def outage_s(self, now: float) -> float:
        """For how long no request has succeeded, counted from the first failure after the last success."""
        return 0.0 if self._failing_since is None else now - self._failing_since

    def succeeded(self) -> None:
        """The API answered a request with something that settles it."""
        self._failures = 0
        self._failing_since = None
        self.successes += 1

    def failed(self, now: float, *, throttled: bool) -> None:
        """A request settled nothing. Being throttled is not an outage of the server, but it is one of ours."""
        if self._failing_since is None:
            self._failing_since = now
        if not throttled:
            self._failures += 1
