"""Certificates that nobody uses are not loaded, and whoever speaks TLS has those that it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trustme

LOADED = (
    "import os\nbefore = dict(os.environ)\nfrom engine import api\n{first}\nfrom aiohttp import connector\n"
    "api.HttpBulkApi\nassert dict(os.environ) == before\n"
    "print([len(each.get_ca_certs()) for each in "
    "(connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED)])"
)


@pytest.mark.parametrize(
    ("first", "loaded"),
    [("api.leave_out_unused_certificates(); api.HttpBulkApi", [0, 0]), ("api.HttpBulkApi", [1, 1])],
)
def test_aiohttp_loads_certificates_only_in_the_process_of_somebody_else(
    first: str, loaded: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    code = LOADED.format(first=first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loaded}\n"
