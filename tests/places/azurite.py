"""A real server of Azure's blobs: Azurite, Microsoft's own stand-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
from email.utils import formatdate
from pathlib import Path

from tests.gateways.program import Program, executable
from tests.ports import free_port
from tests.stand_in import WAIT_S

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, which is public."""
CONTAINER = "portfolios"
ENVIRONMENT = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": KEY}


class AzureServer(Program):
    """Azurite with one container, in memory."""

    def __init__(self, directory: Path) -> None:
        from obstore.store import AzureStore

        port = free_port()
        flags = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        address = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        super().__init__(directory, port, [executable("azurite-blob"), *address, *flags])
        self._create_container()
        self.bucket = AzureStore(
            CONTAINER,
            config={"account_name": ACCOUNT, "account_key": KEY, "endpoint": self.endpoint},
            client_options={"allow_http": True},
        )

    @property
    def endpoint(self) -> str:
        """Its address, as in `source.endpoint`."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def _create_container(self) -> None:
        """Make the container; obstore does not, so the request is signed here."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        signed = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in headers.items())]
        signed += [f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}", "restype:container"]
        signature = hmac.digest(base64.b64decode(KEY), "\n".join(signed).encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request("PUT", f"/{ACCOUNT}/{CONTAINER}?restype=container", b"", headers)
        assert connection.getresponse().status == 201
        connection.close()
