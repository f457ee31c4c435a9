"""`check`: one line a finding, and the exit code of the first cross. Nothing is sent."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine import sources
from engine.commands import check, ledger, sync
from engine.commands.check import Finding
from engine.commands.known_campaigns import rows_text
from engine.settings.loading import load
from engine.simulator.process import StandInProcess
from engine.values import VERSION
from engine.values.errors import ExitCode
from tests.commands.conftest import Arguments
from tests.commands.loops import plain_loop
from tests.stand_in import fresh_ids


def test_marks() -> None:
    assert Finding("source", "good").line(color=False) == "  ✓ source    good"
    assert Finding("ids", "odd", warning=True).line(color=False) == "  ! ids       odd"
    assert Finding("token", "none", exit_code=2).line(color=True) == "  \x1b[31m✗\x1b[0m token     none"


def test_all_is_well(arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]) -> None:
    before = server.stats()["requests"]
    assert check.run(arguments("check", ids=["loan_1", "loan_2"])) == 0
    out = capsys.readouterr().out
    assert "2 records in 1 request, at least 0 s at 10 requests/s" in out
    assert f"campaign {server.campaign_id} exists" in out
    assert "Ready: python -m engine sync -c " in out
    assert server.stats()["requests"] == before


def test_it_says_whether_the_accelerator_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "accelerator", object(), raising=False)
    assert check._engine().text == f"{VERSION}, with its accelerator for NDJSON"
    monkeypatch.setattr(sources, "accelerator", None, raising=False)
    monkeypatch.setattr(sources, "why_pure", "ENGINE_PURE=1 is set", raising=False)
    assert check._engine().line(color=False) == (
        f"  ✓ engine    {VERSION}, in pure Python, which reads NDJSON slower: ENGINE_PURE=1 is set"
    )


def test_an_id_that_comes_twice_is_a_warning(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(arguments("check", ids=["loan_1", "loan_1"])) == 0
    assert "records have an id that comes again later in the source; most often " in capsys.readouterr().out


def test_all_that_is_wrong_is_shown_and_the_first_decides(
    arguments: Arguments, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = arguments("check", ids=[])
    monkeypatch.delenv("TIMEPAY_TOKEN")
    assert check.run(args) == ExitCode.SOURCE_MISSING
    out = capsys.readouterr().out
    assert "✗ source" in out
    assert "✓ state" in out
    assert "✗ api" not in out  # the token that is missing is told of once
    assert "✗ token" in out
    assert out.endswith("Not ready: mend what is crossed out.\n")


def test_invalid_records_are_3(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.run(arguments("check", ids=["loan_1", ""])) == ExitCode.SOME_NOT_ACCEPTED
    assert "✗ invalid   1 × " in capsys.readouterr().out


def test_another_campaign_is_77(
    arguments: Arguments, server: StandInProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    args = arguments("check", api={"url": server.url, "campaign_id": "camp_other"})
    assert check.run(args) == ExitCode.ACCESS_REFUSED
    assert "there is no camp_other" in capsys.readouterr().out


def test_the_age_of_the_source_is_judged(
    arguments: Arguments, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = arguments("check", ids=["loan_1"])
    monkeypatch.setenv("ENGINE_GUARD__MAX_AGE", "1h")
    assert check.run(args) == ExitCode.OK
    assert "✓ age       the source is as new as guard.max_age demands" in capsys.readouterr().out
    monkeypatch.setenv("ENGINE_GUARD__MAX_AGE", "0.000001s")
    assert check.run(args) == ExitCode.SOURCE_UNTRUSTED
    assert "✗ age       " in capsys.readouterr().out


def test_the_size_of_the_source_is_judged(
    arguments: Arguments, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = arguments("check", ids=["loan_1", "loan_2"])
    monkeypatch.setenv("ENGINE_GUARD__MIN_RECORDS", "2")
    assert check.run(args) == ExitCode.OK
    assert "✓ size      the source holds as many records as guard.min_records" in capsys.readouterr().out
    monkeypatch.setenv("ENGINE_GUARD__MIN_RECORDS", "3")
    assert check.run(args) == ExitCode.SOURCE_UNTRUSTED
    assert "✗ size      " in capsys.readouterr().out


def test_what_would_stop_a_sync_goes_before_invalid_records(arguments: Arguments, server: StandInProcess) -> None:
    assert check.run(arguments("check", ids=["loan_1", ""], guard={"min_records": 3})) == ExitCode.SOURCE_UNTRUSTED
    other = {"url": server.url, "campaign_id": "camp_other"}
    assert check.run(arguments("check", ids=["loan_1", ""], api=other)) == ExitCode.ACCESS_REFUSED


def test_it_says_what_the_ledger_holds_or_that_the_first_run_sends_everything(
    arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, delta = fresh_ids(3, "loan_"), {"mode": "changed"}
    assert check.run(arguments("check", ids=ids)) == 0
    assert " ledger " not in capsys.readouterr().out
    assert check.run(arguments("check", ids=ids, delta=delta)) == 0
    assert "✓ ledger    there is none yet: the first run sends everything" in capsys.readouterr().out
    assert sync.run(arguments("sync", ids=ids, delta=delta), plain_loop) == 0
    assert check.run(arguments("check", ids=ids, delta=delta)) == 0
    assert "✓ ledger    3 ids, 3 of them known to be on the server" in capsys.readouterr().out
    assert ledger.run(arguments("ledger", "forget", ids[0], ids=ids, delta=delta)) == 0
    assert check.run(arguments("check", ids=ids, delta=delta)) == 0
    assert "3 ids, 2 of them known" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["mapping", "forgotten"])
def test_a_full_send_to_come_is_a_warning(
    arguments: Arguments, capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str
) -> None:
    ids, tables = fresh_ids(3, "loan_"), {"delta": {"mode": "changed"}}
    assert sync.run(arguments("sync", ids=ids, **tables), plain_loop) == 0
    if what == "forgotten":
        assert ledger.run(arguments("ledger", "forget", "--all", ids=ids, **tables)) == 0
    else:
        tables["source"] = {"path": str(tmp_path / "loans.ndjson"), "id": "id"}
    capsys.readouterr()
    assert check.run(arguments("check", ids=ids, **tables)) == 0
    assert "! ledger    the next run sends everything: " in capsys.readouterr().out


def test_a_campaign_with_fewer_rows_than_the_ledger_has_ids_is_a_warning(
    arguments: Arguments, server: StandInProcess
) -> None:
    ids, delta = fresh_ids(3, "loan_"), {"mode": "changed"}
    settings = load(arguments("sync", ids=ids, delta=delta).config)
    assert rows_text(settings, {server.campaign_id: 0}, "my night.toml") is None, "there is no ledger yet"
    assert sync.run(arguments("sync", ids=ids, delta=delta), plain_loop) == 0
    for rows in ({server.campaign_id: 3}, {server.campaign_id: None}, {}):
        assert rows_text(settings, rows, "my night.toml") is None
    text = rows_text(settings, {server.campaign_id: 2}, "my night.toml")
    assert text is not None
    assert "the campaign holds 2 rows, the ledger 3 ids" in text
    assert text.endswith(f"ledger forget --campaign {server.campaign_id} -c 'my night.toml'")


def test_ids_of_a_database_that_come_again_are_shown_as_those_of_a_file(
    tmp_path: Path, arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    args = arguments("check", ids=["loan_1"])
    with closing(sqlite3.connect(tmp_path / "bank.db")) as connection, connection:
        connection.execute("CREATE TABLE loans (loan_id TEXT, amount INTEGER)")
        connection.executemany("INSERT INTO loans VALUES (?, ?)", [("a", 1), ("b", 2), ("a", 3)])
    config = args.config.read_text(encoding="utf-8")
    source = f'[source]\ndatabase = "sqlite:///{tmp_path}/bank.db"\ntable = "loans"\nid = "loan_id"\n'
    args.config.write_text(re.sub(r"\[source\][^\[]*", source, config), encoding="utf-8")
    assert check.run(args) == 0
    out = capsys.readouterr().out
    assert "1 of 3 records have an id that comes again later in the source; most often 'a' (2 times)" in out
