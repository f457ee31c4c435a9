"""`ledger`: what it holds, and what it is made to forget."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.nights import MakeEngine, night, server_has, with_delta
from tests.acceptance.portfolios import portfolio, write_ndjson

pytestmark = pytest.mark.nights


LOANS = portfolio(50)


def of_campaign(engine: Engine, campaign: str) -> dict[str, Any]:
    """Return what `ledger --json` says of a campaign."""
    done = engine.run("ledger", "--json")
    assert done.exit_code == 0, done.err
    campaigns = json.loads(done.out)["campaigns"]
    found: dict[str, Any] = next(one for one in campaigns if one["campaign_id"] == campaign)
    return found


def test_it_says_what_it_holds(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    assert 50 in of_campaign(engine, engine.server.campaign_id).values()
    told = engine.run("ledger")
    assert told.exit_code == 0
    assert "50" in told.out
    assert engine.server.campaign_id in told.out


def test_an_id_that_is_forgotten_is_sent_again_alone(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    assert engine.run("ledger", "forget", "loan_000003", "loan_000004").exit_code == 0
    done = night(engine)
    assert done.counts == {"read": 50, "unchanged": 48, "updated": 2}
    assert done.delta["full"] is False
    assert night(engine).requests == 0


@pytest.mark.parametrize("whole", [["--all"], ["--campaign", "{campaign}"]], ids=["all", "campaign"])
def test_a_campaign_that_is_forgotten_is_a_full_send_that_says_so(whole: list[str], make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    arguments = [one.format(campaign=engine.server.campaign_id) for one in whole]
    assert engine.run("ledger", "forget", *arguments).exit_code == 0
    done = night(engine)
    assert (done.counts, done.delta["full"]) == ({"read": 50, "updated": 50}, True)
    assert done.delta["full_reason"]
    assert night(engine).requests == 0


def test_another_campaign_is_not_forgotten_with_one(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    for campaign in ("first", "second"):
        engine.server.change(campaign=campaign)
        engine.configure(api={"campaign_id": campaign})
        night(engine, LOANS)
    assert engine.run("ledger", "forget", "--campaign", "first").exit_code == 0
    assert night(engine).requests == 0
    engine.server.change(campaign="first")
    engine.configure(api={"campaign_id": "first"})
    assert night(engine).counts == {"read": 50, "updated": 50}
    assert server_has(engine, LOANS)


def test_erased_ids_stand_in_no_file_of_the_ledger_and_are_not_gone(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    assert engine.run("ledger", "forget", "loan_000003", "--erase").exit_code == 0
    files = [path for path in (engine.home / "engine-state").rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"loan_000003" in path.read_bytes()]
    done = night(engine, {id_: data for id_, data in LOANS.items() if id_ != "loan_000003"})
    assert (done.counts, done.gone) == ({"read": 49, "unchanged": 49}, {})


def test_forget_without_a_name_is_a_mistake(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    refused = engine.run("ledger", "forget")
    assert refused.exit_code == 2
    assert "--all" in refused.err
    assert night(engine).requests == 0


def test_nothing_is_forgotten_beside_a_running_run(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(hold="before-reply"))
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    running = engine.start("sync")
    engine.server.wait(held=1)
    assert engine.run("ledger", "forget", "--all").exit_code == 69
    engine.server.change(hold="nothing")
    assert engine.outcome(running).exit_code == 0
    assert night(engine).requests == 0


def test_an_empty_state_directory_has_nothing_to_say(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    assert engine.run("ledger").exit_code == 0
    told = engine.run("ledger", "--json")
    assert told.exit_code == 0
    json.loads(told.out)
