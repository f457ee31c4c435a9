"""A TCP proxy in front of a server, which cuts connections or holds what comes back on them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

from tests.stand_in import WAIT_S

AT_ONCE = 1 << 14


class Proxy:
    """Passes bytes on to `port`. Of what comes back on the first `connections` ones, it passes `after` bytes.

    Then it cuts the connection, or `holds` it: nothing more comes, and nothing is closed.
    """

    def __init__(self, port: int, *, after: int | None = None, connections: int = 1 << 30, holds: bool = False) -> None:
        self._target = port
        self._after, self._left, self._holds = after, connections, holds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.reached = threading.Event()
        """Is set once the limit of a connection was reached."""
        self.accepted = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self) -> None:
        """Wait until a connection was cut, or is held."""
        assert self.reached.wait(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                self.accepted += 1
                after = self._after if self.accepted <= self._left else None
                threading.Thread(target=self._pass, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, after), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, left: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(AT_ONCE if left is None else min(AT_ONCE, left)):
                target.sendall(data)
                if left is not None:
                    left -= len(data)
                if left == 0:
                    self.reached.set()
                    if self._holds:
                        return
                    break
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
