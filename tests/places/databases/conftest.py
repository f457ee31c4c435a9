"""What tests with real databases share: a server for all of them, and an engine beside a fresh stand-in for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import make_engine as make_engine
from tests.places.databases.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server
