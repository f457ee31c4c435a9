"""Nights from files: on this machine, in each store, by SFTP; see `night_contract`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import pytest

from tests.gateways.program import wait_until
from tests.places import azurite, fake_gcs, seaweed
from tests.places.azurite import AzureServer
from tests.places.cutting_proxy import CuttingProxy
from tests.places.fake_gcs import GcsServer, fake_gcs_server
from tests.places.night_contract import Loan, NightPlace, TestNights
from tests.places.night_files import FILES, keys_of
from tests.places.seaweed import S3Server
from tests.places.sshd import SshServer
from tests.ports import free_port

__all__ = ["TestNights"]

FROM = [
    *(("local", "csv"), ("local", "ndjson"), ("local", "parquet"), ("s3", "csv.gz"), ("s3", "parquet")),
    *(("az", "ndjson.zst"), ("az", "parquet"), ("gs", "ndjson.zst"), ("gs", "parquet")),
    *(("sftp", "csv"), ("sftp", "parquet")),
]
HELD_AFTER_BYTES = 150_000


@pytest.fixture(params=FROM, ids="-".join)
def night(request: pytest.FixtureRequest, tmp_path: Path) -> NightPlace:
    store, suffix = request.param
    return PLACES[store](request, tmp_path, suffix)


def local(_: pytest.FixtureRequest, tmp_path: Path, suffix: str) -> NightPlace:
    path = tmp_path / f"loans.{suffix}"
    return NightPlace({"path": str(path), **keys_of(suffix)}, lambda rows: write(path, FILES[suffix](rows)))


def s3(request: pytest.FixtureRequest, _: Path, suffix: str) -> NightPlace:
    server: S3Server = request.getfixturevalue("s3_server")
    key = f"{uuid4().hex}/loans.{suffix}"
    return in_store(
        f"s3://{seaweed.BUCKET}/{key}", suffix, server.endpoint, server.port,
        lambda content: server.put(key, content), seaweed.ENVIRONMENT, seaweed.SECRET_KEY,
    )  # fmt: skip


def az(request: pytest.FixtureRequest, _: Path, suffix: str) -> NightPlace:
    server: AzureServer = request.getfixturevalue("azure_server")
    key = f"{uuid4().hex}/loans.{suffix}"
    return in_store(
        f"az://{azurite.CONTAINER}/{key}", suffix, server.endpoint, server.port,
        lambda content: obstore.put(server.bucket, key, content) and None, azurite.ENVIRONMENT, azurite.KEY,
    )  # fmt: skip


def gs(request: pytest.FixtureRequest, tmp_path: Path, suffix: str) -> NightPlace:
    server: GcsServer = request.getfixturevalue("gcs_server")
    key = f"{uuid4().hex}/loans.{suffix}"
    contents: list[bytes] = []

    def put(content: bytes) -> None:
        contents.append(content)
        server.put(key, content)

    @contextmanager
    def holding() -> Iterator[tuple[dict[str, Any], Callable[[], None]]]:
        program = fake_gcs_server()
        assert program is not None
        port = free_port()
        with CuttingProxy(port) as proxy, GcsServer(tmp_path, program, port, proxy.port) as behind:
            behind.put(key, contents[-1])
            yield {"endpoint": proxy.endpoint}, stalling(proxy)

    place = in_store(f"gs://{fake_gcs.BUCKET}/{key}", suffix, server.endpoint, server.port, put, fake_gcs.ENVIRONMENT)
    place.holding = holding
    return place


def sftp(request: pytest.FixtureRequest, _: Path, suffix: str) -> NightPlace:
    server: SshServer = request.getfixturevalue("ssh_server")
    folder: Path = request.getfixturevalue("folder")
    server.trust(server.port)
    name = f"{folder.name}/loans.{suffix}"
    key = (server.home / ".ssh" / "id_ed25519").read_text(encoding="utf-8").splitlines()[3]

    @contextmanager
    def holding() -> Iterator[tuple[dict[str, Any], Callable[[], None]]]:
        with CuttingProxy(server.port) as proxy:
            server.trust(proxy.port)
            yield {"path": f"{server.address(proxy.port)}{name}"}, stalling(proxy)
        server.trust(server.port)

    return NightPlace(
        {"path": f"{server.address()}{name}", **keys_of(suffix)},
        lambda rows: write(server.files / name, FILES[suffix](rows)),
        {"HOME": str(server.home), "SSH_AUTH_SOCK": ""},
        (key,),
        holding=holding,
    )


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def in_store(
    path: str,
    suffix: str,
    endpoint: str,
    port: int,
    put: Callable[[bytes], None],
    env: dict[str, str],
    *secrets: str,
) -> NightPlace:
    @contextmanager
    def holding() -> Iterator[tuple[dict[str, Any], Callable[[], None]]]:
        with CuttingProxy(port) as proxy:
            yield {"endpoint": endpoint.replace(str(port), str(proxy.port))}, stalling(proxy)

    def fill(rows: Sequence[Loan]) -> None:
        put(FILES[suffix](rows))

    return NightPlace(
        {"path": path, "endpoint": endpoint, **keys_of(suffix)}, fill, dict(env), secrets, holding=holding
    )


def stalling(proxy: CuttingProxy) -> Callable[[], None]:
    """Let a read go silent in its midst; what is returned waits for that, and lets later ones pass."""
    proxy.stall_after = HELD_AFTER_BYTES

    def wait() -> None:
        wait_until(lambda: proxy.stalls > 0)
        proxy.stall_after = None

    return wait


PLACES = {"local": local, "s3": s3, "az": az, "gs": gs, "sftp": sftp}
