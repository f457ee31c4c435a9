"""`sync --dry-run`: everything is read and validated, nothing is sent, and the sums are those of a sync."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.commands import sync
from engine.commands.check import run as check_run
from engine.commands.dry_run import PAYLOAD_RECORDS_SHOWN, dry_run
from engine.settings.loading import load
from engine.simulator.process import StandInProcess
from engine.values.errors import ExitCode, SourceMissing, SourceUntrusted
from tests.commands.conftest import Arguments
from tests.commands.loops import plain_loop
from tests.stand_in import fresh_ids

IDS = ["loan_1", "loan_2", "", "loan_1", "loan_3", "loan_4"]


def test_as_json(arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]) -> None:
    before = server.stats()["requests"]
    settings = load(arguments("sync", ids=IDS).config)
    assert dry_run(settings, limit=None, as_json=True) == ExitCode.SOME_NOT_ACCEPTED
    found = json.loads(capsys.readouterr().out)
    assert found["records"] == {"read": 6, "invalid": 1, "superseded": 1, "filtered": 0, "to_send": 4}
    assert found["ids"] == 4
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
    assert "loans.ndjson holds 1 record." in out
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


DELTA = {"mode": "changed"}


def test_with_delta_it_says_what_would_be_left_out_and_who_is_gone(
    arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = fresh_ids(30, "loan_")
    assert sync.run(arguments("sync", ids=ids, delta=DELTA), plain_loop) == 0
    before = server.stats()["requests"]
    settings = load(arguments("sync", ids=[*ids[2:], "loan_new"], delta=DELTA).config)
    capsys.readouterr()
    assert dry_run(settings, limit=None, as_json=True) == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["records"]["to_send"], found["records"]["unchanged"], found["requests"]) == (1, 28, 1)
    assert found["gone"] == {"found": 2, "new": 2, "skipped": None}
    assert (found["delta"]["full"], found["delta"]["to_send"]["new"]) == (False, 1)
    assert found["delta"]["example_ids"] == ["loan_new"]
    assert dry_run(settings, limit=None, as_json=False, full=True) == ExitCode.OK
    out = capsys.readouterr().out
    for words in ("1 new, 28 as they were", "such as loan_", "full send, because: it was asked for (--full)"):
        assert words in out
    assert "2  ids that the source holds no more, 2 of them new" in out
    assert server.stats()["requests"] == before


def test_constants_for_gone_ids_are_requests_to_come(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    ids = fresh_ids(5, "loan_")
    tables = {"delta": DELTA | {"gone": {"amount": 0}}, "upload": {"batch_size": 2}}
    assert sync.run(arguments("sync", ids=ids, **tables), plain_loop) == 0
    capsys.readouterr()
    settings = load(arguments("sync", ids=ids[3:], **tables).config)
    assert dry_run(settings, limit=None, as_json=True) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["requests"] == 2
    settings = load(arguments("sync", ids=ids[3:], guard={"max_gone": 1}, **tables).config)
    assert dry_run(settings, limit=None, as_json=True) == ExitCode.SOURCE_UNTRUSTED
    found = json.loads(capsys.readouterr().out)
    assert found["requests"] == 0
    assert "guard.max_gone" in found["delta"]["message"]
