"""A real S3 server: SeaweedFS."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import quote

from tests.gateways.program import Program, wait_until
from tests.ports import free_port
from tests.stand_in import WAIT_S

ACCESS_KEY = "AKIATESTONLY"
SECRET_KEY = "made-up-secret-4711"
BUCKET = "portfolios"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

_IDENTITIES = {
    "identities": [
        {"name": "engine", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}], "actions": ["Admin"]},
        {"name": "anonymous", "actions": ["Admin"]},  # tests write without signatures
    ]
}


class S3Server(Program):
    """SeaweedFS with one bucket, which anybody may write; who signs must do so rightly."""

    def __init__(self, directory: Path) -> None:
        (directory / "data").mkdir()
        (directory / "s3.json").write_text(json.dumps(_IDENTITIES), encoding="utf-8")
        port = free_port()
        ports = {f"-{part}.port{kind}": free_port() for part in ("master", "volume", "filer") for kind in ("", ".grpc")}
        flags = {"-s3.port": port, "-s3.port.grpc": free_port(), "-s3.config": directory / "s3.json", **ports}
        flags |= {"-dir": directory / "data", "-ip": "127.0.0.1", "-ip.bind": "127.0.0.1"}
        flags |= {"-master.volumeSizeLimitMB": 512, "-volume.max": 20, "-master.telemetry": "false"}
        flags |= {"-s3.port.iceberg": 0, "-s3.port.lance": 0}  # else two servers want the same port
        super().__init__(
            directory, port, ["weed", "server", "-s3", *(f"{name}={value}" for name, value in flags.items())]
        )
        try:
            wait_until(lambda: self.request("PUT", f"/{BUCKET}") in (200, 409))
            wait_until(lambda: self.request("PUT", f"/{BUCKET}/first", b"x") == 200)  # its parts have met
        except AssertionError:
            self.kill()
            raise

    @property
    def endpoint(self) -> str:
        """Its address, as in `source.endpoint`."""
        return f"http://127.0.0.1:{self.port}"

    def put(self, key: str, content: bytes, **headers: str) -> None:
        """Write an object; `Content_Encoding="gzip"` is a header."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        status = self.request("PUT", f"/{BUCKET}/{quote(key)}", content, fields)
        assert status == 200, (key, status)

    def get(self, key: str) -> bytes:
        """Read an object back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request("GET", f"/{BUCKET}/{quote(key)}")
            reply = connection.getresponse()
            content = reply.read()
            assert reply.status == 200, (key, reply.status)
            return content
        finally:
            connection.close()

    def remove(self, key: str) -> None:
        """Remove an object."""
        assert self.request("DELETE", f"/{BUCKET}/{quote(key)}") == 204

    def request(self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> int:
        """Make an unsigned request, and return its status; 0 if it is not ready yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request(method, target, body, headers or {})
            return connection.getresponse().status
        except (ConnectionError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
