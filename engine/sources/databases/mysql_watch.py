"""Watches over a read of MySQL, which waits inside the driver: ends it when it is not wanted, or the server is dead."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engine.sources.databases.session import SILENCE_S, StillWanted
from engine.values import EngineError

if TYPE_CHECKING:
    import pymysql

POLL_S = 0.5

_SENDING = ("Writing to net", "Sending to client")
"""What a server says that waits for us to read."""


class Watch:
    """Hangs up on `connection` to end a read. Another one, from `connect`, is asked whether the server still works."""

    def __init__(
        self,
        connect: Callable[[], pymysql.Connection[Any]],
        connection: pymysql.Connection[Any],
        still_wanted: StillWanted,
    ) -> None:
        self.stopped_by: EngineError | None = None
        """Why the read is not wanted any more."""
        self._connect, self._connection, self._still_wanted = connect, connection, still_wanted
        self._alive_at = time.monotonic()
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="watch over MySQL", daemon=True).start()

    def alive(self) -> None:
        """Take note that something came."""
        self._alive_at = time.monotonic()

    def end(self) -> None:
        """Watch no longer."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(POLL_S):
            try:
                self._still_wanted()
            except EngineError as error:
                self.stopped_by = error
                self._hang_up()
                return
            if time.monotonic() - self._alive_at > SILENCE_S:
                if not self._works():
                    self._hang_up()
                    return
                self.alive()

    def _works(self) -> bool:
        """Whether the server answers, and works on our statement without waiting for us."""
        query = f"SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {self._connection.thread_id()}"  # noqa: S608
        try:
            other = self._connect()
            with other, other.cursor() as cursor:
                cursor.execute(query)
                found = cursor.fetchall()
        except Exception:  # whatever the driver raises, the server does not answer
            return False
        return bool(found) and str(found[0][0]) not in _SENDING

    def _hang_up(self) -> None:
        with suppress(Exception):  # it may be gone already
            self._connection._sock.shutdown(socket.SHUT_RDWR)
