"""What a server asks for in its headers: everybody is silent, or slower, for as long as it says. Pure."""

from __future__ import annotations

from math import inf

from engine.api import Quota
from engine.pacing.limiter import Signal

QUOTA_RATE_MIN = 0.1


class Authority:
    """Obeys `Retry-After` and `RateLimit-*`. Times are of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.quiet_until = 0.0
        self._quiet_from = 0.0
        self._quota_rate = inf
        self._quota_until = -inf

    def rate_max(self, now: float) -> float:
        """Requests that the quota allows per second; infinite without one."""
        return self._quota_rate if now < self._quota_until else inf

    def obey(self, signal: Signal) -> list[tuple[float, float]]:
        """Return each silence that the reply begins or prolongs: from when, and until when."""
        asked_s = [signal.retry_after_s] if signal.throttled or signal.failed else []
        if signal.quota is not None:
            asked_s.append(self._spread(signal.finished_at, signal.quota))
        return [silence for seconds in asked_s for silence in self._be_quiet(signal.finished_at, seconds)]

    def _spread(self, now: float, quota: Quota) -> float | None:
        """Spread what is left evenly over the time until it is renewed; return that time if nothing is left."""
        if quota.remaining <= 0:
            return quota.reset_s
        self._quota_rate = max(quota.remaining / max(quota.reset_s, 0.05), QUOTA_RATE_MIN)
        self._quota_until = now + quota.reset_s
        return None

    def _be_quiet(self, now: float, seconds: float | None) -> list[tuple[float, float]]:
        if seconds is None or now + seconds <= self.quiet_until:
            return []
        if now >= self.quiet_until:
            self._quiet_from = now
        self.quiet_until = now + seconds
        return [(self._quiet_from, self.quiet_until)]
