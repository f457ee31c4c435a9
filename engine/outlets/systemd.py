"""Talking to systemd: ready, status, stopping, and signs of life (the protocol of sd_notify(3)).

A sign of life is sent only for progress, or while a wait is declared and not longer than waits may last: a process that
hangs with a ticking timer must look dead. Where nobody listens (no `NOTIFY_SOCKET`) all of this does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Self

from engine.outlets.harmless import Harmless
from engine.outlets.progress import ProgressDisplay, ProgressHistory, ProgressSnapshot

STATUS_INTERVAL_S = 2.0
STATUS_CHARS_MAX = 500

PINGS_PER_INTERVAL = 4
"""How often signs of life are sent at the most: sd_watchdog_enabled(3) asks for twice an interval at the least."""


class SystemdNotifier:
    """Sends notifications to the socket at `address` (a path, or `@name`); does nothing without one."""

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        """How long the supervisor waits for a sign of life, in seconds; None: it does not."""
        self._address: str | None = None
        if address and address[0] in "/@":  # "@" stands for the NUL byte of an abstract address
            self._address = "\0" + address[1:] if address[0] == "@" else address

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Make the notifier that the supervisor's variables ask for."""
        meant_for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environ.get("WATCHDOG_USEC", "")
        has_watchdog = meant_for_us and microseconds.isdecimal() and int(microseconds) > 0
        return cls(environ.get("NOTIFY_SOCKET"), int(microseconds) / 1e6 if has_watchdog else None)

    def ready(self) -> None:
        """Say that the work has begun."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Say in one line how far the work is."""
        self._send(f"STATUS={' '.join(text.split())[:STATUS_CHARS_MAX]}")

    def stopping(self) -> None:
        """Say that the work comes to its end."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Send a sign of life."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as speaker:
                speaker.sendto(message.encode(), self._address)
        except OSError:
            return  # nobody reads, or not fast enough: no reason to disturb the work


class Watchdog:
    """Decides when a sign of life is deserved. Without clock or I/O: every call gets the time, in seconds.

    `wait_s_max` bounds how long a declared wait counts as a sign of life while nothing else happens.
    """

    def __init__(self, interval_s: float, wait_s_max: float) -> None:
        self._spacing_s = interval_s / PINGS_PER_INTERVAL
        self._wait_s_max = wait_s_max
        self._progress: object = None
        self._progress_at_s: float | None = None
        self._moved = False
        self._alive_at_s = float("-inf")

    def deserved(self, now_s: float, progress: object, *, waiting: bool) -> bool:
        """Tell whether to send a sign of life at the monotonic time `now_s`.

        `progress` is anything that is different whenever something was achieved; `waiting` says that a wait is
        declared: nothing can be achieved now, and that is meant.
        """
        if self._progress_at_s is None or progress != self._progress:
            self._progress, self._progress_at_s, self._moved = progress, now_s, True
        patient = waiting and now_s - self._progress_at_s <= self._wait_s_max
        if not (self._moved or patient) or now_s - self._alive_at_s < self._spacing_s:
            return False
        self._moved, self._alive_at_s = False, now_s
        return True


class SupervisedDisplay:
    """Passes progress on to `display`, tells the supervisor about it, and can be asked to show the latest at once.

    A display that fails keeps no sign of life from the supervisor, and no exit code from the run.
    """

    def __init__(
        self,
        display: ProgressDisplay,
        notifier: SystemdNotifier,
        *,
        wait_s_max: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._display = display
        self._harmless = Harmless("the display of the progress")
        self._notifier = notifier
        self._watchdog = Watchdog(notifier.watchdog_s, wait_s_max) if notifier.watchdog_s else None
        self._history = ProgressHistory()
        self._latest: ProgressSnapshot | None = None
        self._clock = clock
        self._status_at_s = float("-inf")
        self._is_stopping = False

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        self._latest = snapshot
        with self._harmless:
            self._display.update(snapshot, now=now)
        self._history.add(snapshot)
        waiting = snapshot.waiting is not None
        if self._watchdog and self._watchdog.deserved(self._clock(), _achieved(snapshot), waiting=waiting):
            self._notifier.alive()
        if self._clock() - self._status_at_s >= STATUS_INTERVAL_S and not self._is_stopping:
            self._status_at_s = self._clock()
            circumstances = self._history.circumstances()
            self._notifier.status(self._history.pace() + (f"; {circumstances}" if circumstances else ""))

    def message(self, text: str) -> None:
        with self._harmless:
            self._display.message(text)

    def prompt(self) -> None:
        """Show the latest snapshot now."""
        with self._harmless:
            if self._latest:
                self._display.update(self._latest, now=True)

    def stopping(self, why: str) -> None:
        """Tell the supervisor that the work comes to its end, once."""
        if not self._is_stopping:
            self._is_stopping = True
            self._notifier.stopping()
            self._notifier.status(why)

    def close(self) -> None:
        with self._harmless:
            self._display.close()
        self.stopping(f"finishing: {self._history.pace()}")


def _achieved(snapshot: ProgressSnapshot) -> tuple[int, ...]:
    """Return what differs whenever something was achieved, a refused or repeated request included."""
    return (
        snapshot.records_read,
        snapshot.records_done,
        snapshot.source_bytes_read,
        snapshot.throttles,
        snapshot.retries,
        snapshot.not_accepted,
    )
