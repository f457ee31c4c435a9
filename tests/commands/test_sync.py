"""`sync`: what its flags mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.commands import sync
from engine.simulator.process import StandInProcess
from tests.commands.conftest import Arguments
from tests.commands.loops import plain_loop
from tests.stand_in import fresh_ids


def test_the_whole_source(arguments: Arguments, server: StandInProcess) -> None:
    ids = fresh_ids(3, "loan_")
    assert sync.run(arguments("sync", ids=ids), plain_loop) == 0
    assert server.state(ids) == {id_: {"amount": 1} for id_ in ids}


def test_only_the_first_records(arguments: Arguments, server: StandInProcess) -> None:
    ids = fresh_ids(3, "loan_")
    assert sync.run(arguments("sync", "--limit=2", ids=ids), plain_loop) == 0
    assert set(server.state(ids)) == set(ids[:2])


def test_a_dry_run_sends_nothing_and_leaves_no_state(
    arguments: Arguments, server: StandInProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = fresh_ids(3, "loan_")
    assert sync.run(arguments("sync", "--dry-run", "--json", "--limit=2", ids=ids), plain_loop) == 0
    assert json.loads(capsys.readouterr().out)["records"]["to_send"] == 2
    assert server.state(ids) == {}
    assert not (tmp_path / "state").exists()
