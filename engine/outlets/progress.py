"""How far a run is: frozen snapshots, and what a few of them say about its pace and its end. Pure."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from msgspec import Struct

from engine.report import bytes_text, counted, rate_text, seconds_text

WINDOW_S = 20.0
"""How far back the rate and the forecast look."""

GOING_S = 1.0
"""After the first records were done, a run takes so long to find its stride: at first, many requests leave at once."""

_WINDOW_SAMPLES_MAX = 80


class ProgressSnapshot(Struct, frozen=True):
    """How far a run is. Counts are over the whole run, with its earlier processes; `elapsed_s` is of this process."""

    elapsed_s: float
    records_read: int = 0
    records_done: int = 0
    """Records with a durable outcome."""
    source_bytes_read: int = 0
    """Of the source, as stored; some are read ahead of what is done."""
    source_bytes_done: int = 0
    """Those of the records done, as far as this process has come across them."""
    source_bytes_skipped: int = 0
    """Those of the records that were done before this process began: it only passes over them."""
    source_bytes_total: int | None = None
    """The size of the source as stored; None when nobody knows it, as on standard input."""
    records_wanted: int | None = None
    """So many records are enough; None if all of the source are wanted."""
    in_flight: int = 0
    in_flight_max: int = 0
    throttles: int = 0
    retries: int = 0
    not_accepted: int = 0
    waiting: str | None = None
    """Why nothing is sent right now, as after `waiting:`."""
    limit: str | None = None
    """The limit learned so far, such as `9.6 requests/s`."""
    deadline_forecast: str | None = None
    """What the deadline means for this run, when that is worth saying."""


class ProgressDisplay(Protocol):
    """Something that shows progress."""

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Take the latest snapshot, and show it if it is time to, or in any case if `now`."""

    def message(self, text: str) -> None:
        """Show a sentence that stays, between the progress."""

    def close(self) -> None:
        """Show nothing more and leave the terminal clean; calling it again is harmless."""


def share_done(snapshot: ProgressSnapshot) -> float | None:
    """Return how much of the work is done (0 to 1), judged by the bytes of the records done; None when not known.

    Whichever comes first is the end of it: that of the source, or the last of the records wanted.
    """
    shares = []
    if snapshot.source_bytes_total:
        shares.append(snapshot.source_bytes_done / snapshot.source_bytes_total)
    if snapshot.records_wanted:
        shares.append(snapshot.records_done / snapshot.records_wanted)
    return min(max(shares), 1.0) if shares else None


class ProgressHistory:
    """The snapshots of the last `WINDOW_S` seconds, thinned to a bounded number, and what they say in words.

    They begin `GOING_S` after the first records were done, once there are some behind that: until then a run gets
    going, which says little of its pace. What it passes over because earlier processes have done it says nothing.
    """

    def __init__(self) -> None:
        self._snapshots: deque[ProgressSnapshot] = deque(maxlen=_WINDOW_SAMPLES_MAX)
        self._begins_s: float | None = None
        """No snapshot before then counts once there are two behind it; None before the first records are done."""

    def add(self, snapshot: ProgressSnapshot) -> None:
        """Take the latest snapshot; one that follows another closely replaces it."""
        seen = self._snapshots
        if seen and snapshot.source_bytes_skipped != seen[-1].source_bytes_skipped:
            self._begins_s = None
            seen.clear()
        if seen and self._begins_s is None and snapshot.records_done > seen[-1].records_done:
            self._begins_s = seen[-1].elapsed_s + GOING_S
        spacing_s = 2 * WINDOW_S / _WINDOW_SAMPLES_MAX
        if len(seen) > 1 and seen[-1].elapsed_s - seen[-2].elapsed_s < spacing_s:
            seen.pop()
        seen.append(snapshot)
        while len(seen) > 2 and snapshot.elapsed_s - seen[1].elapsed_s >= WINDOW_S:
            seen.popleft()
        while self._begins_s is not None and len(seen) > 2 and seen[0].elapsed_s < self._begins_s <= seen[-2].elapsed_s:
            seen.popleft()

    @property
    def latest(self) -> ProgressSnapshot:
        """The latest snapshot; an empty one at the start."""
        return self._ends()[1]

    def _ends(self) -> tuple[ProgressSnapshot, ProgressSnapshot]:
        """Return the first snapshot and the last."""
        return (self._snapshots[0], self._snapshots[-1]) if self._snapshots else (ProgressSnapshot(0.0),) * 2

    @property
    def records_per_s(self) -> float:
        """Records done a second, as a moving average; 0 when that is not known."""
        first, last = self._ends()
        took_s = last.elapsed_s - first.elapsed_s
        return max(last.records_done - first.records_done, 0) / took_s if took_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the present pace; None when nothing moves or the size of the source is unknown.

        None, too, as long as there is no pace to speak of: at first a wrong figure, or a warning, is worse than none.
        """
        first, last = self._ends()
        took_s, done_before, done = last.elapsed_s - first.elapsed_s, share_done(first), share_done(last)
        if done_before is None or done is None or done <= done_before or took_s <= 0:
            return None
        if self._begins_s is None or last.elapsed_s < self._begins_s + GOING_S:
            return None
        return (1.0 - done) * took_s / (done - done_before)

    def pace(self) -> str:
        """Say how far it is, how fast, and how long it will take, such as for `STATUS=` of systemd."""
        latest, share, eta_s = self.latest, share_done(self.latest), self.eta_s
        parts = [counted(latest.records_done, "record")]
        if share is not None:
            parts.insert(0, f"{int(share * 100)}%")
        elif latest.source_bytes_read:
            parts.append(f"{bytes_text(latest.source_bytes_read)} read")
        parts.append(f"{rate_text(self.records_per_s)}/s")
        if eta_s is not None:
            parts.append(f"{seconds_text(eta_s)} left")
        return ", ".join(parts)

    def circumstances(self) -> str:
        """Say what shapes the pace, the most urgent first: waits, requests in flight, throttles, retries, limits."""
        latest = self.latest
        parts = [f"waiting: {latest.waiting}"] if latest.waiting else []
        if latest.deadline_forecast:
            parts.append(latest.deadline_forecast)
        if latest.in_flight_max:
            parts.append(f"{latest.in_flight} of {latest.in_flight_max} in flight")
        for count, name in (
            (latest.throttles, "throttled"),
            (latest.retries, "retried"),
            (latest.not_accepted, "not accepted"),
        ):
            if count:
                parts.append(f"{count:,} {name}")
        if latest.limit:
            parts.append(f"limit {latest.limit}")
        return ", ".join(parts)
