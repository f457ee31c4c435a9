"""Live progress: a bar that a person watches, or a line now and then for a log, both from the same frozen snapshots.

Displays are driven by calls alone: no threads, no timers, no clock but the snapshot's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from engine.outlets.logs import route_logs
from engine.report import bytes_text, counted, rate_text, seconds_text, shown

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

WINDOW_S = 20.0
"""How far back the rate and the forecast look."""

LINE_INTERVAL_S_MIN = 10.0
LINE_INTERVAL_S_MAX = 60.0

_FRAME_INTERVAL_S = 0.1
_WINDOW_SAMPLES_MAX = 80


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """How far a run is. Counts are over the whole run, with its earlier processes; `elapsed_s` is of this process."""

    elapsed_s: float
    records_read: int = 0
    records_done: int = 0
    """Records with a durable outcome."""
    source_bytes_read: int = 0
    source_bytes_total: int | None = None
    """The size of the source as stored; None when nobody knows it, as on standard input."""
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
    """Return how much of the source is done (0 to 1), judged by the bytes read; None when its size is unknown.

    Bytes read run ahead of records done, so they count only as far as the records read are done.
    """
    if not snapshot.source_bytes_total:
        return None
    read = min(snapshot.source_bytes_read / snapshot.source_bytes_total, 1.0)
    return read * snapshot.records_done / snapshot.records_read if snapshot.records_read else 0.0


def records_per_s(history: Iterable[ProgressSnapshot]) -> float:
    """Return the rate at which records were done from the first to the last snapshot; 0 when that is not known."""
    seen = list(history)
    if not seen or (took_s := seen[-1].elapsed_s - seen[0].elapsed_s) <= 0:
        return 0.0
    return max(seen[-1].records_done - seen[0].records_done, 0) / took_s


def forecast(history: Iterable[ProgressSnapshot]) -> float | None:
    """Return the seconds left at the pace from the first to the last snapshot; None when nothing moves or is known."""
    seen = list(history)
    if not seen:
        return None
    first, last = share_done(seen[0]), share_done(seen[-1])
    took_s = seen[-1].elapsed_s - seen[0].elapsed_s
    if first is None or last is None or last <= first or took_s <= 0:
        return None
    return (1.0 - last) * took_s / (last - first)


class ProgressHistory:
    """The snapshots of the last `WINDOW_S` seconds, thinned to a bounded number, and what they say in words."""

    def __init__(self) -> None:
        self._snapshots: deque[ProgressSnapshot] = deque(maxlen=_WINDOW_SAMPLES_MAX)

    def add(self, snapshot: ProgressSnapshot) -> None:
        """Take the latest snapshot; one that follows another closely replaces it."""
        seen = self._snapshots
        spacing_s = 2 * WINDOW_S / _WINDOW_SAMPLES_MAX
        if len(seen) > 1 and seen[-1].elapsed_s - seen[-2].elapsed_s < spacing_s:
            seen.pop()
        seen.append(snapshot)
        while len(seen) > 2 and snapshot.elapsed_s - seen[1].elapsed_s >= WINDOW_S:
            seen.popleft()

    @property
    def latest(self) -> ProgressSnapshot:
        """The latest snapshot; an empty one at the start."""
        return self._snapshots[-1] if self._snapshots else ProgressSnapshot(0.0)

    @property
    def records_per_s(self) -> float:
        """Records done a second, as a moving average."""
        return records_per_s(self._snapshots)

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the present pace; None when nothing moves or the size of the source is unknown."""
        return forecast(self._snapshots)

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


class NoProgress:
    """Shows nothing: for `--json`, libraries and tests."""

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class EmitEvent(Protocol):
    """Writes one event with its fields to the log."""

    def __call__(self, event: str, /, **fields: object) -> None:
        """Write `event`."""


class LineProgress:
    """Progress as events of the log: the first after ten seconds, then ever rarer, at least one a minute."""

    def __init__(self, emit: EmitEvent) -> None:
        self._emit = emit
        self._history = ProgressHistory()
        self._due_s = LINE_INTERVAL_S_MIN

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Take the latest snapshot, and write it if it is time to, or in any case if `now`."""
        self._history.add(snapshot)
        if now or snapshot.elapsed_s >= self._due_s:
            self._emit("progress", **_event_fields(self._history))
            interval_s = min(max(snapshot.elapsed_s / 4, LINE_INTERVAL_S_MIN), LINE_INTERVAL_S_MAX)
            self._due_s = snapshot.elapsed_s + interval_s

    def message(self, text: str) -> None:
        """Write a sentence as an event."""
        self._emit("message", text=text)

    def close(self) -> None:
        """Nothing to clean."""


def _event_fields(history: ProgressHistory) -> dict[str, object]:
    """Return the fields of a progress event: numbers as numbers, and nothing that is not known."""
    latest, share, eta_s = history.latest, share_done(history.latest), history.eta_s
    values: dict[str, object | None] = {
        "elapsed_s": round(latest.elapsed_s, 1),
        "records_read": latest.records_read,
        "records_done": latest.records_done,
        "records_per_s": round(history.records_per_s, 1),
        "share_done": None if share is None else round(share, 4),
        "eta_s": None if eta_s is None else round(eta_s),
        "in_flight": latest.in_flight,
        "throttles": latest.throttles,
        "retries": latest.retries,
        "not_accepted": latest.not_accepted,
        "waiting": latest.waiting,
        "limit": latest.limit,
        "deadline": latest.deadline_forecast,
    }
    return {name: value for name, value in values.items() if value is not None}


class TerminalProgress:
    """Progress as two lines that redraw themselves; on a terminal that cannot, a plain line now and then.

    A terminal that goes away must not take the run with it: from then on nothing is shown.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # here, because rich is slow to import and only needed on a terminal

        self._console: Console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False)
        self._plain = self._console.is_dumb_terminal or not self._console.is_terminal
        self._history = ProgressHistory()
        self._live: Live | None = None
        self._closed = False
        self._due_s = LINE_INTERVAL_S_MIN if self._plain else 0.0

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Take the latest snapshot, and draw it if the last drawing is old enough, or in any case if `now`."""
        self._history.add(snapshot)
        if self._closed or not (now or snapshot.elapsed_s >= self._due_s):
            return
        self._due_s = snapshot.elapsed_s + (LINE_INTERVAL_S_MIN if self._plain else _FRAME_INTERVAL_S)
        try:
            if self._plain:
                self._console.print(f"{self._history.pace()}; {self._history.circumstances()}", soft_wrap=True)
            else:
                self._draw()
        except (OSError, ValueError):  # the terminal is gone, or its stream closed
            self._closed = True

    def message(self, text: str) -> None:
        """Print a sentence above the progress."""
        try:
            if not self._closed:
                self._console.print(shown(text, 1000))
        except (OSError, ValueError):
            self._closed = True

    def close(self) -> None:
        """Remove the two lines and give the cursor back."""
        live, self._live = self._live, None
        self._closed = True
        try:
            if live:
                live.stop()
        except (OSError, ValueError):
            return

    def _draw(self) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                console=self._console,
                auto_refresh=False,  # no thread: `update` draws
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(self._frame(), refresh=True)

    def _frame(self) -> RenderableType:
        """Return the two lines, cut to the width that the terminal has now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        pace = Text(self._history.pace(), no_wrap=True, overflow="ellipsis")
        share = share_done(self._history.latest)
        top: RenderableType = pace
        if share is not None and self._console.width >= 60:
            table = Table.grid(padding=(0, 2))
            bar = ProgressBar(
                total=1.0, completed=share, width=self._console.width // 4, complete_style="cyan", finished_style="cyan"
            )
            table.add_row(bar, pace)
            top = table
        return Group(top, Text(self._history.circumstances(), style="dim", no_wrap=True, overflow="ellipsis"))


class PromptedDisplay:
    """A display that can also be asked, by a signal, to show the latest progress at once."""

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display
        self._latest: ProgressSnapshot | None = None

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Pass the latest snapshot on."""
        self._latest = snapshot
        self._display.update(snapshot, now=now)

    def message(self, text: str) -> None:
        """Pass a sentence on."""
        self._display.message(text)

    def prompt(self) -> None:
        """Show the latest snapshot now."""
        if self._latest:
            self._display.update(self._latest, now=True)

    def close(self) -> None:
        """Show nothing more; from here on events go straight to stderr again."""
        route_logs(None)
        self._display.close()
