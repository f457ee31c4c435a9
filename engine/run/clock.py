"""The time that a run is worked on: by this process, and by all of them, without the pauses between."""

from __future__ import annotations

import asyncio


class WorkClock:
    """Starts now. `before_s` is what earlier processes of the run have worked. Belongs to one event loop."""

    def __init__(self, before_s: float) -> None:
        self._before_s = before_s
        self._now = asyncio.get_running_loop().time
        self._started_at = self._now()

    def now(self) -> float:
        """The loop's clock, in seconds: monotonic, no date."""
        return self._now()

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process began."""
        return self._now() - self._started_at

    @property
    def worked_s(self) -> float:
        """Seconds worked by all processes of the run."""
        return self.worked_at(self._now())

    def worked_at(self, at: float) -> float:
        """Return the seconds worked when the loop's clock showed `at`."""
        return self._before_s + at - self._started_at
