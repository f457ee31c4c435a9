"""`find` with `[route]`: did loan X arrive, and in which campaigns?"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine, Outcome
from tests.acceptance.nights import CLOSED, killed, pushed, run_dir
from tests.acceptance.portfolios import ndjson_line
from tests.acceptance.test_find import about, asked

pytestmark = pytest.mark.nights

MakeEngine = Callable[..., Engine]
Row = tuple[str | None, str, int]
"""The campaign of a record, or None without one; its id; and a value."""

ROWS: list[Row] = [(f"camp_{n % 3}", f"loan_{n}", n) for n in range(60)]
CHUNK = 5
OPEN = {"payment_status": "open"}
"""What stands in every record, so that one that comes back is not left closed."""
DELTAS = pytest.mark.parametrize("mode", ["changed", "off"])


def routed(make_engine: MakeEngine, mode: str, **tables: dict[str, Any]) -> Engine:
    engine = make_engine(other_campaign="camp_*")
    engine.configure(
        source={"path": "loans.ndjson", "holds": "portfolio"},
        route={"column": "bucket"},
        upload={"batch_size": CHUNK, "concurrency": 2},
        guard={"max_gone": "100%", "max_rejected": "100%", "max_invalid": "100%", "max_superseded": "100%"},
        state={"resume_within": "0s"},
    )
    engine.configure(delta={"mode": mode} | tables.pop("delta", {}), **tables)
    return engine


def write(engine: Engine, rows: Iterable[Row]) -> None:
    lines = [ndjson_line(id_, ({"bucket": to} if to else {}) | {"n": n, **OPEN}) for to, id_, n in rows]
    (engine.home / "loans.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))


def synced(engine: Engine, rows: Iterable[Row] | None = None, *arguments: str) -> Outcome:
    if rows is not None:
        write(engine, rows)
    done = engine.sync(*arguments)
    assert done.exit_code in (0, 3, 77), done.err
    return done


def without(id_: str, rows: list[Row] = ROWS) -> list[Row]:
    return [row for row in rows if row[1] != id_]


def answers(found: dict[str, Any]) -> dict[str | None, str]:
    """What is answered in each campaign; the first one is that of the whole."""
    every = found["campaigns"] or [found]
    assert (found["campaign_id"], found["answer"]) == (every[0]["campaign_id"], every[0]["answer"])
    return {each["campaign_id"]: each["answer"] for each in every}


@DELTAS
def test_every_record_has_arrived_in_its_campaign(mode: str, make_engine: MakeEngine) -> None:
    engine = routed(make_engine, mode)
    first = synced(engine, ROWS).report["run_id"]
    every = asked(engine, *(id_ for _, id_, _ in ROWS))
    assert [(each["id"], answers(each)) for each in every] == [(id_, {to: "arrived"}) for to, id_, _ in ROWS]
    found = every[37]
    assert (found["campaign_id"], found["campaigns"]) == ("camp_1", [])
    assert (found["ledger"] or {}).get("run_id") == (first if mode == "changed" else None)
    assert found["source"]["rows"] == [{"path": "loans.ndjson", "row": 38, "state": "record", "reason": None}]
    [sent] = found["source"]["sent"]
    assert sent["outcome"] == "updated"
    number = 12  # of the records of its campaign
    is_there = sent["chunk"] <= number < sent["chunk"] + sent["chunk_records"]
    assert is_there if mode == "changed" else sent["chunk"] == number // CHUNK
    unknown = about(engine, "loan_60", exit_code=66)
    assert (unknown["campaign_id"], unknown["answer"], unknown["campaigns"]) == (None, "unknown", [])


def test_each_night_that_read_a_record_is_told(make_engine: MakeEngine) -> None:
    engine = routed(make_engine, "changed")
    first, second = synced(engine, ROWS).report["run_id"], synced(engine).report["run_id"]
    sent = [(each["run_id"], each["outcome"]) for each in about(engine, "loan_7")["source"]["sent"]]
    assert sent == [(second, "unchanged"), (first, "updated")]
    write(engine, [*ROWS[:7], ("camp_1", "loan_7", 1_000), *ROWS[8:]])
    assert answers(about(engine, "loan_7")) == {"camp_1": "changed_since"}
    assert answers(about(engine, "loan_7", "--no-source")) == {"camp_1": "acknowledged"}


@DELTAS
def test_an_id_in_two_campaigns_has_arrived_if_it_has_in_both(mode: str, make_engine: MakeEngine) -> None:
    engine = routed(make_engine, mode)
    synced(engine, [*ROWS, ("camp_2", "loan_7", 7)])
    assert answers(about(engine, "loan_7")) == {"camp_1": "arrived", "camp_2": "arrived"}
    write(engine, [*ROWS, ("camp_2", "loan_7", 1_000)])
    found = about(engine, "loan_7")
    assert found["campaign_id"] == "camp_2"
    assert answers(found) == {"camp_2": "changed_since" if mode == "changed" else "not_sent", "camp_1": "arrived"}


@DELTAS
def test_an_id_that_only_one_campaign_has_refused(mode: str, make_engine: MakeEngine) -> None:
    engine = routed(make_engine, mode)
    synced(engine, ROWS)
    engine.server.change(reject=["loan_7"])
    done = synced(engine, [*ROWS, ("camp_2", "loan_7", 7)])
    found = about(engine, "loan_7")
    if mode == "changed":  # it was unchanged in the other campaign, so that nothing was sent there
        assert done.records == {"read": 61, "unchanged": 60, "rejected": 1}
        assert answers(found) == {"camp_2": "not_accepted", "camp_1": "arrived"}
        assert not found["campaigns"][1]["not_accepted"]
    else:
        assert answers(found) == {"camp_1": "not_accepted", "camp_2": "not_accepted"}
    [reject] = found["not_accepted"]
    assert (reject["run_id"], reject["waits"], reject["fits_config"]) == (done.report["run_id"], True, True)
    engine.server.change(reject=[])
    assert engine.run("replay").exit_code == 0
    assert {*answers(about(engine, "loan_7")).values()} <= {"arrived", "acknowledged"}


@pytest.mark.parametrize("moved", ["report", "gone"])
def test_an_id_that_has_moved(moved: str, make_engine: MakeEngine) -> None:
    engine = routed(make_engine, "changed", delta={"gone": CLOSED, "moved": moved})
    synced(engine, ROWS)
    rows: list[Row] = [*without("loan_7"), ("camp_2", "loan_7", 7)]
    write(engine, rows)
    assert answers(about(engine, "loan_7")) == {
        "camp_2": "not_sent",
        "camp_1": "acknowledged",
    }
    second = synced(engine, rows).report["run_id"]
    found = about(engine, "loan_7")
    assert answers(found) == {"camp_2": "arrived", "camp_1": "gone"}
    [listed] = found["campaigns"][1]["gone"]
    told = "updated" if moved == "gone" else None
    assert (listed["run_id"], listed["moved_to"], listed["outcome"]) == (second, "camp_2", told)
    text = engine.run("find", "loan_7").out
    assert "loan_7 in campaign camp_2: arrived" in text
    assert "loan_7 in campaign camp_1: moved to campaign camp_2" in text


@DELTAS
def test_a_campaign_that_is_refused_has_not_got_it(mode: str, make_engine: MakeEngine) -> None:
    engine = routed(make_engine, mode)
    engine.server.change(forbidden_campaign=["camp_1"])
    assert synced(engine, ROWS).exit_code == 77
    found = asked(engine, "loan_7", "loan_8")
    assert [answers(each) for each in found] == [{"camp_1": "not_sent"}, {"camp_2": "arrived"}]
    engine.server.change(forbidden_campaign=[])
    assert synced(engine).exit_code == 0
    assert answers(about(engine, "loan_7")) == {"camp_1": "arrived"}


@DELTAS
@pytest.mark.parametrize(("other", "answer"), [("invalid", "not_accepted"), ("skip", "not_sent")])
def test_an_id_that_is_for_no_campaign(mode: str, other: str, answer: str, make_engine: MakeEngine) -> None:
    engine = routed(make_engine, mode, route={"column": "bucket", "other": other})
    synced(engine, [(None, "loan_x", 1), *ROWS])
    found = about(engine, "loan_x")
    assert answers(found) == {None: answer}
    [row] = found["source"]["rows"]
    assert (row["row"], row["state"]) == (1, "invalid" if other == "invalid" else "filtered")
    assert len(found["not_accepted"]) == (other == "invalid")
    assert "loan_x for no campaign: " in engine.run("find", "loan_x").out
    assert {each["answer"] for each in asked(engine, *(id_ for _, id_, _ in ROWS))} == {"arrived"}


@pytest.mark.parametrize("other", ["invalid", "skip"])
def test_a_row_for_no_campaign_may_be_of_any(other: str, make_engine: MakeEngine) -> None:
    engine = routed(make_engine, "changed", route={"column": "bucket", "other": other})
    synced(engine, ROWS)
    synced(engine, [*without("loan_7"), (None, "loan_7", 1_000)])
    found = about(engine, "loan_7")
    if other == "invalid":
        assert answers(found) == {None: "not_accepted", "camp_1": "not_accepted"}
    else:
        assert answers(found) == {"camp_1": "acknowledged", None: "not_sent"}
        assert "route.other leaves it out today" in found["notes"]


def test_another_route_proves_nothing_by_numbers(make_engine: MakeEngine) -> None:
    buckets = {f"camp_{n}": f"camp_{n}" for n in range(3)}
    engine = routed(make_engine, "changed", route={"column": "bucket", "campaigns": buckets})
    synced(engine, ROWS)
    synced(engine, None, "--full")
    engine.configure(route={"column": "bucket", "campaigns": buckets | {"camp_1": "camp_2"}})
    found = about(engine, "loan_7")
    assert answers(found) == {"camp_2": "not_sent", "camp_1": "acknowledged"}
    assert any("route.campaigns" in note for note in found["notes"])
    engine.configure(route={"column": "bucket", "campaigns": dict(reversed(buckets.items()))})
    assert answers(about(engine, "loan_7")) == {"camp_1": "arrived"}, "the ledger needs no numbers"


def test_without_delta_another_order_of_campaigns_is_the_same_proof(make_engine: MakeEngine) -> None:
    buckets = {f"camp_{n}": f"camp_{n}" for n in range(3)}
    engine = routed(make_engine, "off", route={"column": "bucket", "campaigns": buckets})
    synced(engine, ROWS)
    engine.configure(route={"column": "bucket", "campaigns": dict(reversed(buckets.items()))})
    assert answers(about(engine, "loan_7")) == {"camp_1": "arrived"}
    engine.configure(route={"column": "bucket", "campaigns": buckets | {"camp_1": "camp_2"}})
    assert answers(about(engine, "loan_7")) == {"camp_2": "not_sent"}


def test_a_push_to_one_campaign_is_a_doubt_there_alone(make_engine: MakeEngine) -> None:
    engine = routed(make_engine, "off")
    synced(engine, ROWS)
    pushed(engine, [("loan_7", {"n": 1_000})], "camp_1")
    found = asked(engine, "loan_7", "loan_8")
    assert [answers(each) for each in found] == [{"camp_1": "acknowledged"}, {"camp_2": "arrived"}]


def test_what_a_killed_run_had_in_flight_is_a_doubt_in_every_campaign(make_engine: MakeEngine) -> None:
    engine = routed(make_engine, "off")
    synced(engine, ROWS)
    write(engine, [("camp_1", "loan_7", 1_000)])
    killed(engine, None, at="before-reply")
    write(engine, ROWS)
    assert {each["answer"] for each in asked(engine, "loan_7", "loan_8")} == {"acknowledged"}


def test_without_the_route_one_campaign_is_told_with_what_routed_runs_sent_to_it(make_engine: MakeEngine) -> None:
    engine = routed(make_engine, "off")
    synced(engine, [row for row in ROWS if row[0] == "camp_1"])
    engine.tables.pop("route")
    engine.configure(api={"campaign_id": "camp_1"})
    synced(engine)
    assert answers(about(engine, "loan_58")) == {"camp_1": "arrived"}
    engine.configure(route={"column": "bucket"})
    synced(engine, [("camp_2" if id_ == "loan_1" else to, id_, n) for to, id_, n in ROWS if to == "camp_1"])
    engine.tables.pop("route")
    engine.configure(api={"campaign_id": "camp_1"})
    found = about(engine, "loan_58")
    assert answers(found) == {"camp_1": "acknowledged"}
    assert any("1 later run may have sent other values" in note for note in found["notes"])


def test_a_reject_file_that_is_lost_is_told(make_engine: MakeEngine) -> None:
    engine = routed(make_engine, "off")
    engine.server.change(reject=["loan_7"])
    run_id = synced(engine, ROWS).report["run_id"]
    shutil.rmtree(run_dir(engine, run_id))
    found = asked(engine, "loan_7", "loan_8", "loan_10")
    assert [answers(each) for each in found] == [
        {"camp_1": "not_accepted"},
        {"camp_2": "arrived"},
        {"camp_1": "not_sent"},
    ]
    assert all(any("rejected.ndjson is missing" in note for note in each["notes"]) for each in found)
