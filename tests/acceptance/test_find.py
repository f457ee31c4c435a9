"""`find`: did loan X arrive? Asked after real nights, of all that can have become of a record."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.nights import CHUNK, CLOSED, MakeEngine, changed, killed, night, pushed, with_delta, without
from tests.acceptance.portfolios import portfolio, write_csv, write_ndjson

LOANS = portfolio(50)
LOAN = "loan_000017"
BAD = "loan_000023"


def asked(engine: Engine, *arguments: str, exit_code: int = 0) -> list[dict[str, Any]]:
    """Return what `find --json` says."""
    done = engine.run("find", "--json", *arguments)
    assert done.exit_code == exit_code, done.err + done.out
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def about(engine: Engine, record_id: str, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """Return what it says of one id."""
    [found] = asked(engine, record_id, *arguments, exit_code=exit_code)
    return found


def without_delta(engine: Engine, **tables: dict[str, Any]) -> Engine:
    engine.configure(
        upload={"batch_size": CHUNK, "concurrency": 2}, guard={"max_rejected": "100%"}, state={"resume_within": "0s"}
    )
    engine.configure(**tables)
    return engine


def test_a_record_that_arrived_and_has_not_changed(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    first = night(engine, LOANS).report["run_id"]
    found = about(engine, LOAN)
    assert (found["id"], found["known"], found["answer"]) == (LOAN, True, "arrived")
    assert (found["ledger"]["run_id"], found["ledger"]["is_proven"]) == (first, True)
    assert found["source"]["rows"] == [{"path": "loans.ndjson", "row": 18, "state": "record", "reason": None}]
    assert found["source"]["same_values"] is True
    [sent] = found["source"]["sent"]
    assert (sent["run_id"], sent["chunk"], sent["outcome"]) == (first, 10, "updated")
    assert sent["settled_at"].endswith("Z")
    second = night(engine).report["run_id"]
    found = about(engine, LOAN)
    assert (found["answer"], found["ledger"]["run_id"]) == ("arrived", first)
    assert [(each["run_id"], each["outcome"]) for each in found["source"]["sent"]] == [
        (second, "unchanged"),
        (first, "updated"),
    ]


def test_a_record_that_has_changed_since_it_arrived(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    first = night(engine, LOANS).report["run_id"]
    write_ndjson(engine.home / "loans.ndjson", changed(LOANS, [LOAN]))
    found = about(engine, LOAN)
    assert (found["answer"], found["source"]["same_values"], found["source"]["sent"]) == ("changed_since", False, [])
    assert any("the source has changed since run" in note for note in found["notes"])
    assert about(engine, BAD)["answer"] == "arrived", "of the others, the ledger knows that they are the same"
    quick = about(engine, LOAN, "--no-source")
    assert (quick["answer"], quick["ledger"]["run_id"], quick["source"]) == ("acknowledged", first, None)


@pytest.mark.parametrize("prepare", [with_delta, without_delta], ids=["delta", "no delta"])
def test_a_record_that_the_api_refused(prepare: Any, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(reject=BAD))
    done = night(engine, LOANS)
    assert done.exit_code == 3
    found = about(engine, BAD)
    assert found["answer"] == "not_accepted"
    [reject] = found["not_accepted"]
    assert (reject["run_id"], reject["outcome"], reject["waits"]) == (done.report["run_id"], "rejected", True)
    assert reject["reason"]
    assert (reject["path"], reject["row"]) == ("loans.ndjson", 24)
    assert found["source"]["sent"][0]["outcome"] == "rejected"
    assert about(engine, BAD, "--no-source")["answer"] == "not_accepted"
    assert about(engine, LOAN)["answer"] == "arrived", "its chunk was not lost with that one"
    engine.server.change(reject=[])
    assert night(engine, None, command="replay").exit_code == 0
    found = about(engine, BAD)
    assert found["answer"] in ("arrived", "acknowledged")
    assert found["not_accepted"][0]["waits"] is False


def test_without_delta_the_journal_and_the_source_prove_it(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine())
    first = night(engine, LOANS).report["run_id"]
    found = about(engine, LOAN)
    assert (found["answer"], found["ledger"]) == ("arrived", None)
    [sent] = found["source"]["sent"]
    assert (sent["run_id"], sent["chunk"], sent["chunk_records"], sent["outcome"]) == (first, 1, CHUNK, "updated")
    write_ndjson(engine.home / "loans.ndjson", changed(LOANS, ["loan_000011"]))
    found = about(engine, LOAN)
    assert found["answer"] == "not_sent", "another record of its chunk is not what was sent"
    assert any("the source has changed since run" in note for note in found["notes"])
    assert about(engine, BAD)["answer"] == "arrived", "its chunk is the same to the last byte"
    assert about(engine, LOAN, "--no-source", exit_code=66)["answer"] == "unknown"


def test_without_delta_later_runs_of_other_records_leave_a_doubt(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine())
    night(engine, LOANS)
    assert about(engine, LOAN)["answer"] == "arrived"
    pushed(engine, [(LOAN, {"emi_amount": 1})])
    found = about(engine, LOAN)
    assert found["answer"] == "acknowledged"
    assert any("may have sent other values" in note for note in found["notes"])


def test_a_night_without_delta_makes_the_ledger_doubtful_and_proves_itself(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    engine.configure(delta={"mode": "off"})
    second = night(engine).report["run_id"]
    found = about(engine, LOAN)
    assert found["ledger"]["is_proven"] is False
    assert (found["answer"], found["source"]["sent"][0]["run_id"]) == ("arrived", second)
    assert about(engine, LOAN, "--no-source")["answer"] == "unproven"


def test_a_record_that_is_gone(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), delta={"mode": "changed", "gone": CLOSED})
    night(engine, LOANS)
    second = night(engine, without(LOANS, LOAN)).report["run_id"]
    found = about(engine, LOAN)
    assert (found["answer"], found["ledger"], found["source"]) == ("gone", None, None)
    [listed] = found["gone"]
    assert (listed["run_id"], listed["outcome"]) == (second, "updated")


def test_a_record_that_is_gone_and_only_listed(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    first = night(engine, LOANS).report["run_id"]
    second = night(engine, without(LOANS, LOAN)).report["run_id"]
    found = about(engine, LOAN)
    assert (found["ledger"]["gone_since"], found["ledger"]["run_id"]) == (second, first)
    assert [(each["run_id"], each["last_run"], each["outcome"]) for each in found["gone"]] == [(second, first, None)]


@pytest.mark.parametrize("prepare", [with_delta, without_delta], ids=["delta", "no delta"])
def test_rows_that_are_left_out_or_invalid(prepare: Any, make_engine: MakeEngine) -> None:
    rows = ["id,status,amount", "out,closed,1", "bad,open,many", "good,open,3", "good,open,4"]
    source = {"path": "loans.csv", "id": "id", "where": {"status": "open"}, "types": {"amount": "integer"}}
    engine = prepare(make_engine(), source=source)
    (engine.home / "loans.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    night(engine)
    out, bad, good = asked(engine, "out", "bad", "good")
    assert [(row["state"], row["row"]) for row in out["source"]["rows"]] == [("filtered", None)]
    assert "where" in out["source"]["rows"][0]["reason"]
    assert [(row["state"], row["row"]) for row in bad["source"]["rows"]] == [("invalid", 2)]
    assert bad["answer"] == "not_accepted"
    assert bad["not_accepted"][0]["outcome"] == "invalid"
    assert [row["row"] for row in good["source"]["rows"]] == [3, 4]
    assert good["source"]["count"] == 2
    assert good["answer"] == "arrived"


def test_nobody_knows_it(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    found = asked(engine, LOAN, "loan_nobody", exit_code=66)
    assert [(each["id"], each["known"]) for each in found] == [(LOAN, True), ("loan_nobody", False)]
    told = engine.run("find", "loan_nobody")
    assert told.exit_code == 66
    assert "UNKNOWN" in told.out


def test_before_the_first_run_only_the_source_knows(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    found = about(engine, LOAN)
    assert (found["answer"], found["source"]["count"]) == ("not_sent", 1)
    assert not (engine.home / "engine-state").exists()


def test_ids_of_every_form_from_a_file(make_engine: MakeEngine) -> None:
    ids = ["00417", "417", " 417", "LN 1 ", "ரமேஷ்-7", 'quo"te\\', "😀", "tab\t"]
    engine = without_delta(make_engine(reject=['quo"te\\', " 417"]))
    night(engine, {each: {"amount": 1} for each in ids})
    (engine.home / "asked.txt").write_bytes("\ufeff".encode() + "\r\n\r\n".join(ids).encode())
    found = asked(engine, "417", "--ids", "asked.txt")
    assert [each["id"] for each in found] == ["417", *[each for each in ids if each != "417"]]
    assert {each["id"]: each["answer"] for each in found} == {
        each: "not_accepted" if each in ('quo"te\\', " 417") else "arrived" for each in ids
    }


def test_an_id_that_the_source_writes_with_escapes(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(reject="loän"))
    line = rb'{"id": "lo\u00e4n", "data": {"amount": 1}}'
    (engine.home / "loans.ndjson").write_bytes(line + b"\n" + line.replace(rb"lo\u00e4n", rb"g\u00e4") + b"\n")
    night(engine)
    assert [each["answer"] for each in asked(engine, "loän", "gä")] == ["not_accepted", "arrived"]


def test_a_reject_file_that_is_lost_leaves_a_doubt(make_engine: MakeEngine) -> None:
    engine = without_delta(make_engine(reject=BAD))
    run_id = night(engine, LOANS).report["run_id"]
    (engine.home / "engine-state" / "runs" / run_id / "rejected.ndjson").unlink()
    assert about(engine, BAD)["source"]["sent"][0]["outcome"] == "unproven"
    assert about(engine, LOAN)["answer"] == "arrived", "in its chunk nothing was refused"


@pytest.mark.parametrize("prepare", [with_delta, without_delta], ids=["delta", "no delta"])
def test_beside_a_run_that_is_under_way(prepare: Any, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine())
    night(engine, LOANS)
    engine.server.change(hold="before-reply")
    write_ndjson(engine.home / "loans.ndjson", changed(LOANS, [LOAN]))
    running = engine.start("sync")
    engine.server.wait(held=1)
    found = about(engine, LOAN)
    assert found["answer"] in ("unproven", "not_sent"), "other values are on their way"
    engine.server.change(hold="nothing")
    assert engine.outcome(running).exit_code == 0
    assert about(engine, LOAN)["answer"] == "arrived"


@pytest.mark.parametrize("prepare", [with_delta, without_delta], ids=["delta", "no delta"])
def test_after_a_crash_what_was_acknowledged_is_known(prepare: Any, make_engine: MakeEngine) -> None:
    engine = prepare(make_engine(), upload={"batch_size": CHUNK, "concurrency": 1})
    killed(engine, LOANS, done=2, at="before-apply")
    first, last = asked(engine, "loan_000000", "loan_000049")
    assert (first["answer"], last["answer"]) == ("arrived", "not_sent")


def test_a_source_that_is_missing_is_told_and_the_rest_is_known(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    (engine.home / "loans.ndjson").unlink()
    found = about(engine, LOAN)
    assert (found["answer"], found["source"]) == ("acknowledged", None)
    assert any("the source was not read" in note for note in found["notes"])


def test_another_campaign_of_the_same_state_directory_is_another_story(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    engine.server.change(campaign="second")
    engine.configure(api={"campaign_id": "second"})
    found = about(engine, LOAN)
    assert (found["campaign_id"], found["ledger"], found["answer"]) == ("second", None, "not_sent")


def test_it_writes_nothing(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(reject=BAD))
    night(engine, LOANS)
    state = engine.home / "engine-state"
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    asked(engine, LOAN, BAD)
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == before
    shutil.rmtree(state)
    asked(engine, LOAN)
    assert not state.exists()


@pytest.mark.parametrize("arguments", [[], [""], ["--ids", "missing.txt"]])
def test_without_an_id_it_is_a_mistake(arguments: list[str], make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    assert engine.run("find", *arguments).exit_code == 2


def test_a_person_reads_it_in_80_columns(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(reject=BAD))
    engine.env["TZ"] = "Asia/Kolkata"
    write_csv(engine.home / "loans.csv", LOANS)
    engine.configure(source={"path": "loans.csv", "id": "loan_id"})
    night(engine)
    told = engine.run("find", LOAN, BAD)
    assert told.exit_code == 0, told.err
    assert max(map(len, told.out.splitlines())) <= 80
    assert " IST" in told.out
    assert "replay -c config.toml" in told.out
    assert told.out.count("\n\n") == 1
