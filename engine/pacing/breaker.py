"""How many retries a run can afford, and when it stops trying for a while. Pure."""

from __future__ import annotations


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
