"""`replay`: the latest run, or the one that is named."""

from __future__ import annotations

import json

import pytest

from engine.commands import replay, sync
from engine.simulator.process import StandInProcess
from engine.values.errors import ConfigError, ExitCode
from tests.commands.conftest import Arguments
from tests.commands.loops import plain_loop
from tests.stand_in import fresh_ids

REFUSED = "loan_refused"


@pytest.mark.parametrize("named", [False, True])
def test_what_was_refused_is_sent_again(
    named: bool, arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = {"max_rejected": "100%"}
    args = arguments("sync", "--json", ids=[*fresh_ids(2, "loan_"), REFUSED], guard=guard)
    assert sync.run(args, plain_loop) == ExitCode.SOME_NOT_ACCEPTED
    run_id = json.loads(capsys.readouterr().out)["run_id"]
    flags = [run_id] if named else []
    assert replay.run(arguments("replay", "--json", *flags, guard=guard), plain_loop) == ExitCode.SOME_NOT_ACCEPTED
    report = json.loads(capsys.readouterr().out)
    assert report["kind"] == "replay"
    assert (report["records"]["read"], report["records"]["rejected"]) == (1, 1)
    assert server.state([REFUSED]) == {}


def test_a_run_that_is_not_there(arguments: Arguments) -> None:
    with pytest.raises(ConfigError):
        replay.run(arguments("replay", "20260101T000000Z-000000"), plain_loop)
