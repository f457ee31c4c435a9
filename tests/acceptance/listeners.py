"""Real listeners for what a run tells others: a health check over HTTP, and a supervisor's notify socket."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import NamedTuple

from tests.stand_in import WAIT_S


class Ping(NamedTuple):
    """One request to the health check."""

    path: str
    body: str


class HealthCheck(AbstractContextManager["HealthCheck"]):
    """A health check that takes pings on a free port of this machine."""

    def __init__(self) -> None:
        self.pings: list[Ping] = []
        pings = self.pings

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                pings.append(Ping(self.path, body.decode()))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/ping/uuid"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Supervisor(AbstractContextManager["Supervisor"]):
    """The end of a notify socket at which a supervisor listens."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(WAIT_S)

    def wait_for(self, start: str) -> str:
        """Return the next message that starts so; everything until then is in `heard`."""
        while True:
            message = self._socket.recv(4096).decode()
            self.heard.append(message)
            if message.startswith(start):
                return message

    def read_rest(self) -> None:
        """Take in what has been said so far."""
        self._socket.setblocking(False)
        try:
            while True:
                self.heard.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            self._socket.settimeout(WAIT_S)

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class Dripping(AbstractContextManager["Dripping"]):
    """A server that never comes to the end of its answer, so that no limit of silence ends it."""

    def __init__(self) -> None:
        self._over = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = Thread(target=self._drip)
        self._thread.start()

    def _drip(self) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self._over.wait(0.2):
                connection.sendall(b"x")

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):  # nobody may have come
            pass
        self._thread.join()
        self._listener.close()


class Proxy(AbstractContextManager["Proxy"]):
    """A proxy that lets nothing through, and says so as squid does."""

    def __init__(self, status: int) -> None:
        self.requests = 0

        class Handler(BaseHTTPRequestHandler):
            def refuse(handler) -> None:
                self.requests += 1
                handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                handler.send_response(status)
                handler.send_header("X-Squid-Error", "ERR_ACCESS_DENIED 0")
                handler.send_header("Content-Length", "13")
                handler.end_headers()
                handler.wfile.write(b"<html></html>")

            do_GET = do_PUT = do_CONNECT = refuse

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.port = self._server.server_port

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def tls_server(certificate: Path, key: Path) -> Iterator[int]:
    """Serve TLS with this certificate on a free port, and nothing behind it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as connection:
                connection.recv(1)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
