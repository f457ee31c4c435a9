"""The deadline: a time of day, turned once into a point on the monotonic clock, so that no clock jump moves it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from engine.errors import Interrupted


class Deadline:
    """The next time the local clock shows `at`; never, without one. `clock` is monotonic, in seconds."""

    def __init__(self, at: time | None, clock: Callable[[], float], now: datetime | None = None) -> None:
        self._at = at
        self._clock = clock
        self._ends_at = float("inf") if at is None else clock() + seconds_until(at, now or datetime.now().astimezone())

    def left_s(self) -> float:
        """Seconds left; infinite without a deadline, negative once it has passed."""
        return self._ends_at - self._clock()

    def passed(self) -> Interrupted:
        """Return the reason to stop with."""
        return Interrupted(f"not finished: the deadline {self._at:%H:%M} (upload.deadline) has come")


def seconds_until(at: time, now: datetime) -> float:
    """Return the seconds until the local clock next shows `at`; a day if it shows it now."""
    then = datetime.combine(now.date(), at).astimezone()
    if then <= now:
        then = datetime.combine(now.date() + timedelta(days=1), at).astimezone()
    return (then - now).total_seconds()
