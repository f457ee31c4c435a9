"""A configuration in a file, beside a stand-in that knows its token."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from engine.commands.cli import COMMANDS
from engine.simulator.process import StandInProcess
from tests.stand_in import stand_in

Arguments = Callable[..., argparse.Namespace]


@pytest.fixture(scope="package")
def shared_server() -> Iterator[StandInProcess]:
    with stand_in(reject="loan_refused") as running:
        yield running


@pytest.fixture
def server(shared_server: StandInProcess, monkeypatch: pytest.MonkeyPatch) -> StandInProcess:
    """The stand-in, with its token where the engine looks for one. It is shared: look at ids that nobody else has."""
    monkeypatch.setenv("TIMEPAY_TOKEN", shared_server.token)
    return shared_server


@pytest.fixture
def arguments(tmp_path: Path, server: StandInProcess) -> Arguments:
    """Return a function that writes a source and a configuration, and gives what a command line means."""

    def make(command: str, *flags: str, ids: Sequence[str] = ("loan_1",), **tables: dict[str, Any]) -> Any:
        source = tmp_path / "loans.ndjson"
        source.write_text("".join(f'{{"id":"{id_}","data":{{"amount":1}}}}\n' for id_ in ids), encoding="utf-8")
        all_tables = {
            "api": {"url": server.url, "campaign_id": server.campaign_id},
            "source": {"path": str(source)},
            "state": {"dir": str(tmp_path / "state")},
        } | tables
        config = tmp_path / "config.toml"
        config.write_text(tomli_w.dumps(all_tables), encoding="utf-8")
        parser = argparse.ArgumentParser()
        next(known for known in COMMANDS if known.name == command).load().add_arguments(parser)
        return parser.parse_args(["-c", str(config), *flags])

    return make
