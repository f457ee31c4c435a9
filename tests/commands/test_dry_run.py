"""`sync --dry-run`: everything is read and validated, nothing is sent, and the sums are those of a sync."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.commands.check import run as check_run
from engine.commands.dry_run import PAYLOAD_RECORDS_SHOWN, dry_run
from engine.settings.loading import load
from engine.simulator.process import StandInProcess
from engine.values.errors import ExitCode, SourceMissing, SourceUntrusted
from tests.commands.conftest import Arguments

IDS = ["loan_1", "loan_2", "", "loan_1", "loan_3", "loan_4"]


def test_as_json(arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]) -> None:
    before = server.stats()["requests"]
    settings = load(arguments("sync", ids=IDS).config)
    assert dry_run(settings, limit=None, as_json=True) == ExitCode.SOME_NOT_ACCEPTED
    found = json.loads(capsys.readouterr().out)
    assert found["records"] == {"read": 6, "invalid": 1, "superseded": 1, "filtered": 0, "to_send": 4}
    assert found["requests"] == 1
    [reason] = found["reasons"]
    assert (reason["count"], [place.rsplit("/", 1)[-1] for place in reason["places"]]) == (1, ["loans.ndjson row 3"])
    payload = found["first_payload"]
    assert payload["campaignId"] == server.campaign_id
    assert len(payload["records"]) == PAYLOAD_RECORDS_SHOWN
    assert all(record["data"] == {"amount": 1} for record in payload["records"])
    assert server.stats()["requests"] == before


def test_for_people(arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load(arguments("sync", ids=["loan_1", "loan_2"]).config)
    assert dry_run(settings, limit=1, as_json=False) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith("Dry run: nothing was sent. ")
    assert "loans.ndjson holds 1 records." in out
    assert f"The first request, PUT {server.url}/customer-data/bulk, begins with these records:" in out
    assert "loan_2" not in out


def test_an_empty_source_is_no_night(arguments: Arguments, tmp_path: Path) -> None:
    with pytest.raises(SourceMissing):
        dry_run(load(arguments("sync", ids=[]).config), limit=None, as_json=True)
    assert not (tmp_path / "state").exists()


def test_a_source_that_a_sync_would_not_go_on_with_is_65(
    arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [""] * 12
    settings = load(arguments("sync", ids=[*IDS, *bad]).config)
    assert dry_run(settings, limit=None, as_json=False) == ExitCode.SOURCE_UNTRUSTED
    assert "more than guard.max_invalid (5%) allows" in capsys.readouterr().out
    assert check_run(arguments("check", ids=[*IDS, *bad])) == ExitCode.SOURCE_UNTRUSTED
    assert "more than guard.max_invalid (5%) allows" in capsys.readouterr().out


def test_what_is_invalid_at_the_beginning_is_judged_there_as_a_sync_does(arguments: Arguments) -> None:
    ids = [""] * 1_000 + [f"loan_{number}" for number in range(25_000)]
    assert dry_run(load(arguments("sync", ids=ids).config), limit=None, as_json=True) == ExitCode.SOURCE_UNTRUSTED
    assert check_run(arguments("check", ids=ids)) == ExitCode.SOURCE_UNTRUSTED


def test_a_source_too_small_or_too_old_is_refused_as_a_sync_does(arguments: Arguments) -> None:
    for guard in ({"min_records": 2}, {"max_age": "0.000001s"}):
        with pytest.raises(SourceUntrusted, match="nothing was sent"):
            dry_run(load(arguments("sync", guard=guard).config), limit=None, as_json=True)
