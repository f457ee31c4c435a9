"""Waiting for a place that does not answer, or cuts its answers."""

from __future__ import annotations

import random
import time

from engine.values import Interrupted

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 15.0


class Outage:
    """From the first failure in a row until something arrives again.

    Args:
        name: How messages call what is being read.
        window_s: For how many seconds it is waited.
    """

    def __init__(self, name: str, window_s: float) -> None:
        self._name = name
        self._window_s = window_s
        self._ends_at: float | None = None
        self._pause_s = _FIRST_PAUSE_S

    def over(self) -> None:
        """Something has arrived."""
        self._ends_at = None
        self._pause_s = _FIRST_PAUSE_S

    def wait(self, reason: str) -> None:
        """Wait a little longer than last time, before it is tried again.

        Raises:
            Interrupted: it has lasted for the whole window; `reason` says what failed last.
        """
        now = time.monotonic()
        if self._ends_at is None:
            self._ends_at = now + self._window_s
        left_s = self._ends_at - now
        if left_s <= 0:
            raise Interrupted(
                f"{self._name} could not be read for {self._window_s:,.0f} s ({reason}); run the same command again to "
                "go on"
            )
        time.sleep(min(left_s, self._pause_s * random.uniform(0.5, 1)))  # noqa: S311 - spreads retries
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
