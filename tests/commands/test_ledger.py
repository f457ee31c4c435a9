"""`ledger`: what it says, and what it takes to forget."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.commands import ledger, sync
from engine.commands.ledger import UNKNOWN_SHOWN_MAX, as_text
from engine.run.ledger_facts import LedgerFacts
from engine.simulator.process import StandInProcess
from engine.state.sqlite_journal import SqliteJournal
from engine.values.errors import ConfigError, StateLocked
from tests.commands.conftest import Arguments
from tests.commands.loops import plain_loop
from tests.stand_in import fresh_ids

DELTA = {"mode": "changed"}


@pytest.fixture
def ids(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Three ids that a first night has brought home."""
    made = fresh_ids(3, "loan_")
    assert sync.run(arguments("sync", ids=made, delta=DELTA), plain_loop) == 0
    capsys.readouterr()
    return made


def test_what_it_holds_for_people(
    arguments: Arguments, server: StandInProcess, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledger.run(arguments("ledger", ids=ids, delta=DELTA)) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert first == f"Campaign {server.campaign_id} at {server.url}"
    assert [row.split()[0] for row in rows] == ["ids", "size", "oldest", "feed"]
    assert rows[0].split(maxsplit=1)[1] == "3, 3 of them known to be on the server as they were sent last"
    assert "0 min ago" in rows[2]


def test_the_same_as_json(
    arguments: Arguments, server: StandInProcess, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledger.run(arguments("ledger", "--json", ids=ids, delta=DELTA)) == 0
    [found] = json.loads(capsys.readouterr().out)["ledgers"]
    assert (found["url"], found["org_id"], found["campaign_id"]) == (server.url, None, server.campaign_id)
    assert (found["ids"], found["good"], found["gone"]) == (3, 3, 0)
    assert found["bytes"] > 0
    assert found["last_full_at"].endswith("Z")
    assert [feed["holds"] for feed in found["feeds"]] == ["portfolio"]


def test_without_a_ledger_it_says_what_the_first_run_does(
    arguments: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledger.run(arguments("ledger")) == 0
    assert "the first run sends everything" in capsys.readouterr().out
    assert ledger.run(arguments("ledger", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == {"ledgers": []}
    assert not (tmp_path / "state").exists()


def test_it_can_be_read_while_a_run_goes_on(
    arguments: Arguments, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(SqliteJournal(tmp_path / "state")):
        assert ledger.run(arguments("ledger", "--json", ids=ids, delta=DELTA)) == 0
    assert json.loads(capsys.readouterr().out)["ledgers"][0]["ids"] == 3


def test_it_says_who_is_gone_and_why_all_is_sent_next() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    facts = LedgerFacts(
        url="https://api",
        org_id="org",
        campaign_id="camp",
        ids=10,
        good=0,
        gone=2,
        bytes=1_500,
        last_full_at=(now - timedelta(days=3)).isoformat(),
        feeds=(),
        full_reason="its campaign was forgotten",
    )
    text = as_text([facts, facts], Path("state"), now=now)
    assert text.count("Campaign camp at https://api, organisation org") == 2
    for words in ("1.5 kB", "3 days ago", "2 ids that", "sends everything: its campaign was forgotten"):
        assert words in text


def test_ids_that_are_forgotten_and_ids_that_nobody_knows(
    arguments: Arguments, server: StandInProcess, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledger.run(arguments("ledger", "forget", ids[0], "loan_nobody", ids[0], ids=ids, delta=DELTA)) == 0
    out = capsys.readouterr().out
    assert f"Campaign {server.campaign_id}: 1 id forgotten" in out
    assert "Unknown: loan_nobody is in no ledger" in out
    assert sync.run(arguments("sync", "--json", ids=ids, delta=DELTA), plain_loop) == 0
    records = json.loads(capsys.readouterr().out)["records"]
    assert (records["updated"], records["unchanged"]) == (1, 2)


@pytest.mark.parametrize("whole", ["--all", "--campaign"])
def test_a_whole_campaign_is_sent_again(
    arguments: Arguments, server: StandInProcess, ids: list[str], capsys: pytest.CaptureFixture[str], whole: str
) -> None:
    flags = [whole] if whole == "--all" else [whole, server.campaign_id]
    assert ledger.run(arguments("ledger", "forget", *flags, "--json", ids=ids, delta=DELTA)) == 0
    assert json.loads(capsys.readouterr().out) == {
        "campaigns": [{"campaign_id": server.campaign_id, "forgotten": 3}],
        "unknown": [],
        "erased": False,
    }
    assert ledger.run(arguments("ledger", ids=ids, delta=DELTA)) == 0
    assert "sends everything: its campaign was forgotten" in capsys.readouterr().out
    assert sync.run(arguments("sync", "--json", ids=ids, delta=DELTA), plain_loop) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["records"]["updated"], report["delta"]["full"]) == (3, True)
    assert "forgotten" in report["delta"]["full_reason"]


def test_an_id_that_is_erased_is_in_no_file_of_the_ledger(
    arguments: Arguments, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledger.run(arguments("ledger", "forget", "--erase", ids[0], ids=ids, delta=DELTA)) == 0
    assert "1 id erased" in capsys.readouterr().out
    held = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("ledger-*"))
    assert ids[1].encode() in held
    assert ids[0].encode() not in held


@pytest.mark.parametrize(
    "words", [[], ["--erase"], ["loan_1", "--all"], ["--all", "--campaign", "camp"], [""], ["--campaign", "camp_wrong"]]
)
def test_to_forget_one_thing_is_named(arguments: Arguments, ids: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError):
        ledger.run(arguments("ledger", "forget", *words, ids=ids, delta=DELTA))


def test_without_any_run_there_is_nothing_to_forget(arguments: Arguments, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no runs"):
        ledger.run(arguments("ledger", "forget", "--all"))
    assert not (tmp_path / "state").exists()


def test_beside_a_run_nothing_is_forgotten(arguments: Arguments, ids: list[str], tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path / "state")), pytest.raises(StateLocked):
        ledger.run(arguments("ledger", "forget", "--all", ids=ids, delta=DELTA))


def test_many_unknown_ids_are_counted(arguments: Arguments, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    unknown = [f"nobody_{number}" for number in range(UNKNOWN_SHOWN_MAX + 2)]
    assert ledger.run(arguments("ledger", "forget", *unknown, ids=ids, delta=DELTA)) == 0
    out = capsys.readouterr().out
    assert out.count("Unknown: ") == UNKNOWN_SHOWN_MAX
    assert "And 2 more unknown ids." in out
