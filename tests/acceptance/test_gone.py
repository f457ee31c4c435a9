"""Loans that have vanished from the export: reported, or closed by constants, and welcome when they return."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.nights import (
    CHUNK,
    CLOSED,
    MakeEngine,
    changed,
    closed_on_server,
    cut,
    gone_ids,
    held,
    killed,
    lines_of,
    night,
    server_has,
    texts,
    with_delta,
    without,
)
from tests.acceptance.portfolios import portfolio, write_csv, write_ndjson
from tests.stand_in import put

pytestmark = pytest.mark.nights


LOANS = portfolio(100)
ONE, TWO = "loan_000013", "loan_000057"
LEFT = without(LOANS, ONE, TWO)


def closing(engine: Engine, **tables: dict[str, Any]) -> Engine:
    """Turn delta on, with constants for gone ids."""
    with_delta(engine, **tables)
    engine.configure(delta={"gone": CLOSED})
    return engine


def test_gone_loans_are_reported_and_not_touched(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    first = night(engine, LOANS)
    second = night(engine, LEFT)
    assert (second.exit_code, second.requests, second.counts) == (0, 0, {"read": 98, "unchanged": 98})
    assert second.gone == {"found": 2, "new": 2, "pending": 2}
    listed = lines_of(engine, second.report["run_id"], "gone.ndjson")
    told = {"campaign_id": engine.server.campaign_id, "last_run": first.report["run_id"]}
    assert sorted(listed, key=lambda line: str(line["id"])) == [{"id": id_} | told for id_ in (ONE, TWO)]
    assert (engine.home / "engine-state/runs" / second.report["run_id"] / "gone.ndjson").stat().st_mode & 0o777 == 0o600
    assert server_has(engine, LOANS)
    assert "gone" in engine.run("sync").out


def test_gone_loans_stay_in_the_report_but_are_new_only_once(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    night(engine, without(LOANS, ONE))
    third = night(engine, LEFT)
    assert third.gone == {"found": 2, "new": 1, "pending": 2}
    assert gone_ids(engine, third) == [ONE, TWO]
    assert night(engine).gone == {"found": 2, "pending": 2}


def test_gone_loans_may_be_ignored(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"gone": "ignore"})
    night(engine, LOANS)
    second = night(engine, LEFT)
    assert (second.exit_code, second.requests, second.report["gone"]["found"]) == (0, 0, 0)


def test_gone_loans_get_the_constants_once(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    second = night(engine, LEFT)
    assert (second.exit_code, second.requests, second.records) == (0, 1, 2)
    assert second.counts == {"read": 98, "unchanged": 98}
    assert second.gone == {"found": 2, "new": 2, "updated": 2}
    assert {line["id"]: line["outcome"] for line in lines_of(engine, second.report["run_id"], "gone.ndjson")} == {
        ONE: "updated",
        TWO: "updated",
    }
    assert held(engine)[ONE] == texts(LOANS[ONE] | CLOSED)  # its other fields stay
    assert closed_on_server(engine) == {ONE, TWO}
    third = night(engine)
    assert (third.exit_code, third.requests, third.gone) == (0, 0, {})


def test_the_constants_leave_last_in_requests_of_their_own(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    write_ndjson(engine.home / "loans.ndjson", changed(LEFT, list(LEFT)[:15]))
    engine.server.change(hold="before-reply")
    before = engine.server.stats()
    process = engine.start("sync", "--json")
    engine.server.wait(held=2)
    assert engine.server.stats()["records"] == before["records"] + 15
    assert not closed_on_server(engine)
    engine.server.release(2)
    engine.server.wait(held=1)
    assert closed_on_server(engine) == {ONE, TWO}
    engine.server.change(hold="nothing")
    assert engine.outcome(process).exit_code == 0
    assert engine.server.stats()["requests"] == before["requests"] + 3


@pytest.mark.parametrize("gone", ["report", CLOSED], ids=["reported", "told"])
def test_a_loan_that_returns_is_sent_whole(gone: object, make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"gone": gone})
    night(engine, LOANS)
    night(engine, without(LOANS, ONE))
    put(engine.server, [{"id": ONE, "data": CLOSED}])  # by hand, or once more
    back = night(engine, LOANS)
    assert back.counts == {"read": 100, "unchanged": 99, "updated": 1}
    assert back.gone == {}
    assert server_has(engine, LOANS)
    assert night(engine).requests == 0


def test_a_loan_that_returns_and_leaves_again_is_gone_again(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    for _ in range(2):
        assert night(engine, without(LOANS, ONE)).gone == {"found": 1, "new": 1, "updated": 1}
        assert closed_on_server(engine) == {ONE}
        assert night(engine, LOANS).counts["updated"] == 1
        assert closed_on_server(engine) == set()


def test_constants_that_the_api_refuses_are_told_and_tried_again(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    engine.server.change(reject=[ONE])
    for new in ({"new": 2}, {}):
        refused = night(engine, LEFT)
        updated = {"updated": 1} if new else {}
        assert refused.exit_code == 3
        assert refused.gone == {"found": 1 + len(updated), "rejected": 1} | new | updated
        listed = {line["id"]: line for line in lines_of(engine, refused.report["run_id"], "gone.ndjson")}
        assert listed[ONE]["outcome"] == "rejected"
        assert listed[ONE]["reason"]
        assert lines_of(engine, refused.report["run_id"], "rejected.ndjson") == []
    engine.server.change(reject=[])
    assert night(engine).gone == {"found": 1, "updated": 1}
    assert closed_on_server(engine) == {ONE, TWO}


@pytest.mark.parametrize("at", ["before-apply", "before-reply"])
def test_constants_of_unknown_end_do_not_hide_a_return_with_the_old_values(at: str, make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    killed(engine, LEFT, at=at)
    back = night(engine, LOANS)
    assert (back.exit_code, back.counts) == (0, {"read": 100, "unchanged": 98, "updated": 2})
    assert server_has(engine, LOANS)
    assert night(engine).requests == 0


def test_a_late_copy_of_constants_does_not_close_a_loan_that_has_returned(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(late_s=1.0), upload={"late_copy_s": 1.5})
    night(engine, LOANS)
    before = engine.server.stats()
    engine.server.change(fault=["504-late"])
    write_ndjson(engine.home / "loans.ndjson", LEFT)
    process = engine.start("sync")
    engine.server.wait(answered=before["answered"] + 1)
    process.kill()
    process.communicate()
    engine.server.change(fault=[])
    assert night(engine, LOANS).exit_code == 0
    assert engine.server.stats()["applied"] >= before["applied"] + 4  # the copy has landed, and then the loans
    assert server_has(engine, LOANS)


def test_constants_go_on_after_a_kill_until_all_are_acknowledged(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), state={"resume_within": "6h"})
    night(engine, LOANS)
    left = without(LOANS, *list(LOANS)[: 4 * CHUNK])
    killed(engine, left, done=2, at="before-reply")
    resumed = night(engine)
    assert (resumed.exit_code, resumed.report["resumes"]) == (0, 1)
    assert resumed.gone == {"found": 40, "new": 40, "updated": 40}
    assert len(gone_ids(engine, resumed)) == 40
    assert closed_on_server(engine) == set(LOANS) - set(left)
    assert night(engine).gone == {}


def test_constants_go_on_in_another_run_after_a_kill(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    left = without(LOANS, *list(LOANS)[: 4 * CHUNK])
    killed(engine, left, done=2, at="before-reply")
    done = night(engine, changed(left, list(left)[:1]))
    assert done.exit_code == 0
    assert closed_on_server(engine) == set(LOANS) - set(left)
    assert server_has(engine, changed(left, list(left)[:1]))
    assert night(engine).gone == {}


def test_chunks_that_were_done_before_a_resume_are_present(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), state={"resume_within": "6h"})
    night(engine, LOANS)
    stopped = cut(engine, changed(LEFT), done=3)
    assert stopped.report["gone"]["updated"] == 0
    resumed = night(engine)
    assert (resumed.exit_code, resumed.report["resumes"]) == (0, 1)
    assert resumed.gone == {"found": 2, "new": 2, "updated": 2}
    assert closed_on_server(engine) == {ONE, TWO}


def test_gone_is_judged_in_full_sends_too(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source={"path": "loans.csv", "id": "loan_id"})
    write_csv(engine.home / "loans.csv", LOANS)
    night(engine)
    write_csv(engine.home / "loans.csv", without(LOANS, ONE))
    assert night(engine, None, "--full").gone == {"found": 1, "new": 1, "updated": 1}
    write_csv(engine.home / "loans.csv", LEFT)
    engine.configure(source={"constants": {"language": "hi"}})
    done = night(engine)
    assert (done.delta["full"], done.gone) == (True, {"found": 1, "new": 1, "updated": 1})


def test_what_was_never_acknowledged_is_never_gone(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(reject=ONE))
    assert night(engine, LOANS).exit_code == 3
    done = night(engine, without(LOANS, ONE))
    assert (done.exit_code, done.gone) == (0, {})


def test_a_replay_leaves_out_what_is_gone_since(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    engine.server.change(reject=[ONE])
    refused = night(engine, changed(LOANS, [ONE, TWO]))
    assert refused.counts["rejected"] == 1
    engine.server.change(reject=[])
    assert night(engine, without(changed(LOANS, [TWO]), ONE)).gone["updated"] == 1
    replayed = night(engine, None, refused.report["run_id"], command="replay")
    assert (replayed.exit_code, replayed.requests) == (0, 0)
    assert closed_on_server(engine) == {ONE}


@pytest.mark.parametrize("gone", ["report", CLOSED], ids=["reported", "told"])
def test_a_dry_run_names_the_number_of_gone_loans(gone: object, make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"gone": gone})
    night(engine, LOANS)
    write_ndjson(engine.home / "loans.ndjson", LEFT)
    told = engine.run("sync", "--dry-run")
    assert told.exit_code == 0
    assert "gone" in told.out
    assert closed_on_server(engine) == set()
    assert night(engine).gone["new"] == 2
