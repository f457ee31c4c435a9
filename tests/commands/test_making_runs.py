"""What commands that make a run have in common: their result, and who is told when none could begin."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.commands import sync
from engine.commands.making_runs import prepare
from engine.values.errors import EngineError, SourceMissing, StateLocked
from tests.acceptance.listeners import HealthCheck
from tests.commands.conftest import Arguments
from tests.commands.loops import loop_that_fails, plain_loop
from tests.stand_in import fresh_ids


@pytest.fixture
def health_check(monkeypatch: pytest.MonkeyPatch) -> Iterator[HealthCheck]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HealthCheck() as check:
        yield check


@pytest.mark.parametrize(("flags", "json_logs"), [(["--log-format=json"], True), (["--log-format=console"], False)])
def test_the_command_line_decides_on_the_log(flags: list[str], json_logs: bool, arguments: Arguments) -> None:
    settings, found = prepare(arguments("sync", *flags, log={"format": "console" if json_logs else "json"}))
    assert (settings.log.format != "json", found) == (json_logs, json_logs)


def test_the_summary_is_for_people(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync.run(arguments("sync", ids=fresh_ids(2, "loan_")), plain_loop) == 0
    assert "All 2 records were delivered.\n" in capsys.readouterr().out


def test_the_report_is_for_programs(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync.run(arguments("sync", "--json", ids=fresh_ids(2, "loan_")), plain_loop) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["status"], report["records"]["updated"]) == ("succeeded", 2)


@pytest.mark.parametrize(
    ("error", "paths"), [(SourceMissing("gone"), ["/ping/uuid/66"]), (StateLocked("another run"), [])]
)
def test_a_night_without_a_report_is_told_unless_another_run_tells_its_own(
    error: EngineError, paths: list[str], arguments: Arguments, health_check: HealthCheck
) -> None:
    args = arguments("sync", notify={"healthcheck_url": health_check.url})
    with pytest.raises(type(error)):
        sync.run(args, loop_that_fails(error))
    assert [ping.path for ping in health_check.pings] == paths
