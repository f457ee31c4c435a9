"""A stand-in that the tests of a module share, each of which looks only at its own records; and a health check."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.simulator.process import StandInProcess
from tests.acceptance.listeners import HealthCheck
from tests.stand_in import stand_in


@pytest.fixture(scope="module")
def shared_server() -> Iterator[StandInProcess]:
    with stand_in() as running:
        yield running


@pytest.fixture
def health_check(monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthCheck]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HealthCheck() as check:
        yield check


@pytest.fixture
def server(shared_server: StandInProcess, monkeypatch: pytest.MonkeyPatch) -> StandInProcess:
    """The stand-in, with its token where the engine looks for one."""
    monkeypatch.setenv("TIMEPAY_TOKEN", shared_server.token)
    return shared_server
