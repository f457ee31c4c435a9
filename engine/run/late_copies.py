"""Late copies across processes: what earlier ones have left that may still land, and what this one leaves.

In a process, times are of the loop's clock; what lasts longer is told in seconds since 1970. A clock that was moved
makes nobody wait longer than a copy can live.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.pipeline import ALL_SEQS, LateCopies
from engine.settings import RunSettings
from engine.state import Left, Run

ALIVE_EVERY_S = 1.0
"""How often a process notes that it lives ..."""
SILENT_S = 3.0
"""... and for how long after that it may have sent before it was killed."""


def late_copy_s(settings: RunSettings) -> float:
    """Return for how long after it was sent a request of unknown end may still be applied, in seconds."""
    given = settings.upload.late_copy_s
    return settings.api.timeout_s if given is None else given


class DurableLateCopies:
    """What may still land in a run, as the pipeline needs it, and what of it the journal does not know yet."""

    def __init__(
        self, run: Run, may_land_s: float, now: Callable[[], float], wall: Callable[[], float] = time.time
    ) -> None:
        self._now, self._wall = now, wall
        self._noted: dict[int, float] = {}
        longest = {ALL_SEQS: SILENT_S + may_land_s}
        left = {seq: _left_s(until - wall(), longest.get(seq, may_land_s)) for seq, until in run.late_copies.items()}
        if run.alive_at is not None:  # the last process was killed; one before it may have been, too
            killed_s = _left_of_killed_s(run.alive_at - wall(), may_land_s)
            left[ALL_SEQS] = max(killed_s, left.get(ALL_SEQS, 0.0))
        before = {seq: now() + left_s for seq, left_s in left.items() if left_s > 0}
        self.of_pipeline = LateCopies(may_land_s, before=before, in_flight_before=run.in_flight)

    def not_durable(self) -> dict[int, float]:
        """Return what was not returned before: until when copies may land, in seconds since 1970, by seq."""
        found = self.of_pipeline.open(self._now())
        new = {seq: until for seq, until in found.items() if self._noted.get(seq) != until}
        self._noted = found
        ahead_s = self._wall() - self._now()
        return {seq: until + ahead_s for seq, until in new.items()}


def wait_for_others_s(left: Left, may_land_s: float) -> float:
    """Return for how many seconds a run with other records must send nothing, because of what others have left."""
    now = time.time()
    known_s = 0.0 if left.until is None else _left_s(left.until - now, may_land_s)
    killed_s = 0.0 if left.killed_at is None else _left_of_killed_s(left.killed_at - now, may_land_s)
    return max(known_s, killed_s)


def _left_of_killed_s(alive_in_s: float, may_land_s: float) -> float:
    """Return for how many seconds requests of a process may land that was last seen alive (in the past) then."""
    return _left_s(alive_in_s + SILENT_S + may_land_s, SILENT_S + may_land_s)


def _left_s(seconds: float, longest_s: float) -> float:
    """Return the seconds that are left, but never more than can be right: clocks are moved."""
    return max(0.0, min(seconds, longest_s))
