"""A TCP proxy in front of a server, which cuts, stalls or refuses what passes, as a test wants."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.stand_in import WAIT_S

_SLICE_BYTES = 1 << 14


class CuttingProxy:
    """Passes bytes between its clients and the server at `port`; what it does else is set while it runs.

    After `cut_after` bytes of replies on one connection it resets that connection; after `stall_after`, nothing more of
    it arrives. With `answers` it does not ask the server at all, but says these bytes to each request. `refuses` closes
    each new connection at once. `on_bytes` is called with the number of all reply bytes as they pass.
    """

    def __init__(self, port: int) -> None:
        self.cut_after: int | None = None
        self.stall_after: int | None = None
        self.answers: bytes | None = None
        self.refuses = False
        self.on_bytes: Callable[[int], None] = lambda _: None
        self.connections = 0
        self.cuts = 0
        self.stalls = 0
        self.passed = 0
        self._upstream = port
        self._open: set[socket.socket] = set()
        self._released = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """Its address, as in `source.endpoint`."""
        return f"http://127.0.0.1:{self.port}"

    def cut_all(self) -> None:
        """Reset every open connection."""
        for connection in list(self._open):
            _reset(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                if self.refuses:
                    _reset(client)
                    continue
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream), WAIT_S)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        self._open |= {client, server}
        upwards = threading.Thread(target=self._pass_requests, args=[client, server], daemon=True)
        upwards.start()
        self._pass_replies(server, client)
        upwards.join(WAIT_S)
        self._open -= {client, server}
        for connection in (client, server):
            connection.close()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(_SLICE_BYTES):
                if self.answers is not None:
                    client.sendall(self.answers)
                    continue
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _pass_replies(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := server.recv(_SLICE_BYTES):
                if self.cut_after is not None and passed + len(data) > self.cut_after:
                    client.sendall(data[: max(self.cut_after - passed, 0)])
                    self.cuts += 1
                    break
                if self.stall_after is not None and passed + len(data) > self.stall_after:
                    self.stalls += 1
                    self._released.wait(WAIT_S)
                    break
                client.sendall(data)
                passed += len(data)
                self.passed += len(data)
                self.on_bytes(self.passed)
        _reset(client)
        _reset(server)


def _reset(connection: socket.socket) -> None:
    """Close a connection so that the other side sees it cut, not ended."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        connection.close()
