"""One stand-in for all tests of this directory: starting a process for each would take most of the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest

from engine.simulator.model.settings import Settings
from engine.simulator.process import StandInProcess
from tests.stand_in import stand_in

DEFAULTS = {f.name: f.default for f in fields(Settings) if f.name not in ("token", "campaign", "seed")}


@pytest.fixture(scope="session")
def one_server() -> Iterator[StandInProcess]:
    with stand_in(campaign="camp_test") as server:
        yield server


@pytest.fixture
def server(one_server: StandInProcess) -> StandInProcess:
    """The same process for every test, with its settings as they were at first; state and counts go on."""
    one_server.change(**DEFAULTS)
    return one_server
