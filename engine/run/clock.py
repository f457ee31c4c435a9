"""The times of a run: how long it is worked on, by this process and by all of them, and when it must be over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from engine.values import Interrupted


class WorkClock:
    """Starts now. `before_s` is what earlier processes of the run have worked. Belongs to one event loop."""

    def __init__(self, before_s: float) -> None:
        self.before_s = before_s
        self.now = asyncio.get_running_loop().time
        """The loop's clock, in seconds: monotonic, no date."""
        self.began_at = datetime.now(UTC)
        """The moment at which this process began to work."""
        self._started_at = self.now()

    @property
    def elapsed_s(self) -> float:
        """Seconds since this process began."""
        return self.now() - self._started_at

    @property
    def worked_s(self) -> float:
        """Seconds worked by all processes of the run."""
        return self.worked_at(self.now())

    def worked_at(self, at: float) -> float:
        """Return the seconds worked when the loop's clock showed `at`."""
        return self.before_s + at - self._started_at


class Deadline:
    """The next time the local clock shows `at`; never, without one.

    It is turned into a point of `clock` (monotonic, in seconds) once, so that no clock jump moves it.
    """

    def __init__(self, at: time | None, clock: Callable[[], float], now: datetime | None = None) -> None:
        self._at = at
        self._clock = clock
        self._warned = False
        now = now or datetime.now().astimezone()
        left_s = float("inf") if at is None else seconds_until(at, now)
        self._ends_at = clock() + left_s
        self.moment = None if at is None else now + timedelta(seconds=left_s)
        """When it comes, as a date and a time."""

    def left_s(self) -> float:
        """Seconds left; infinite without a deadline, negative once it has passed."""
        return self._ends_at - self._clock()

    def forecast(self, eta_s: float) -> str | None:
        """Return what to expect, if the work that still takes `eta_s` will not be done in time."""
        late_s = eta_s - self.left_s()
        if late_s <= 0:
            return None
        return f"at this pace the run ends {late_s / 60:.0f} min after its deadline {self._at:%H:%M}"

    def warn_once(self) -> bool:
        """Whether this is the first time that somebody has to be warned."""
        first, self._warned = not self._warned, True
        return first

    def passed(self) -> Interrupted:
        """Return the reason to stop with."""
        return Interrupted(f"the deadline {self._at:%H:%M} (upload.deadline) has come")


def seconds_until(at: time, now: datetime) -> float:
    """Return the seconds until the local clock next shows `at`; a day if it shows it now."""
    then = datetime.combine(now.date(), at).astimezone()
    if then <= now:
        then = datetime.combine(now.date() + timedelta(days=1), at).astimezone()
    return (then - now).total_seconds()
