"""Gateways that say "out of service" (503) where they mean "too fast", as nginx's `limit_req` does by default. Pure."""

from __future__ import annotations

QUICK_S = 0.25
"""A refusal that comes sooner is quick in any case; else, if it comes no later than what usually succeeds."""
SHORT_S = 5.0
"""Refusals that are over within so many seconds of the first are no outage ..."""
MIXED_MIN = 2
"""... and when so many times successes came before and after them, they have to do with the rate."""
IN_A_ROW_MIN = 4
"""More of them in a row than this, and than are in flight at once, are an outage."""


class QuickRefusals:
    """Tells refusals because of the rate from an outage: they come quickly, and among successes.

    Every finished attempt must be told, in order. Times are of a monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self._usual_s: float | None = None
        """How long what succeeds takes."""
        self._in_a_row = 0
        self._since = 0.0
        self._mixed = 0

    def succeeded(self, started_at: float, finished_at: float) -> None:
        """A request was answered."""
        took_s = finished_at - started_at
        self._usual_s = took_s if self._usual_s is None else self._usual_s + 0.1 * (took_s - self._usual_s)
        if self._in_a_row:
            self._mixed = self._mixed + 1 if finished_at - self._since <= SHORT_S else 0
        self._in_a_row = 0

    def refused(self, started_at: float, finished_at: float, in_flight: int) -> bool:
        """Take note of a 503; return whether it means that requests come too fast.

        It started at `started_at`, when so many requests were `in_flight`, itself included.
        """
        usual_s = self._usual_s
        if usual_s is None or finished_at - started_at > max(QUICK_S, usual_s):
            return False
        if not self._in_a_row:
            self._since = finished_at
        self._in_a_row += 1
        if self._in_a_row > max(IN_A_ROW_MIN, in_flight):
            self._mixed = 0
        return self._mixed >= MIXED_MIN
