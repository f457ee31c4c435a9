"""What shows the progress of a run: two lines that redraw themselves on a terminal, events of a log, or nothing.

Displays are driven by calls alone: no threads, no timers, no clock but the snapshot's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from engine.outlets.logs import route_logs
from engine.outlets.progress import ProgressHistory, ProgressSnapshot, share_done
from engine.report import shown

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

LINE_INTERVAL_S_MIN = 10.0
LINE_INTERVAL_S_MAX = 60.0

_FRAME_INTERVAL_S = 0.1


class NoProgress:
    """Shows nothing: for `--json`, libraries and tests."""

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None: ...
    def message(self, text: str) -> None: ...
    def close(self) -> None: ...


class LineProgress:
    """Progress as events of the log: the first after ten seconds, then ever rarer, at least one a minute.

    `emit` writes an event with its fields to the log.
    """

    def __init__(self, emit: Callable[..., None]) -> None:
        self._emit = emit
        self._history = ProgressHistory()
        self._due_s = LINE_INTERVAL_S_MIN

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        self._history.add(snapshot)
        if now or snapshot.elapsed_s >= self._due_s:
            self._emit("progress", **_event_fields(self._history))
            interval_s = min(max(snapshot.elapsed_s / 4, LINE_INTERVAL_S_MIN), LINE_INTERVAL_S_MAX)
            self._due_s = snapshot.elapsed_s + interval_s

    def message(self, text: str) -> None:
        self._emit("message", text=text)

    def close(self) -> None: ...


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
        """Remove the two lines and give the cursor back; from here on events go straight to stderr again."""
        route_logs(None)
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

            # No refreshing by itself, so no thread: `update` draws.
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
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
