"""One export for many campaigns: each record where it belongs, and accounts that add up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine, Outcome, balanced
from tests.acceptance.portfolios import ndjson_line

MakeEngine = Callable[..., Engine]
Campaigns = dict[str, dict[str, dict[str, Any]]]


def campaigns_of(count: int, records: int) -> Campaigns:
    """So many records over so many campaigns; each tells its own in its field `bucket`."""
    found: Campaigns = {f"camp_{number}": {} for number in range(count)}
    for index in range(records):
        campaign = f"camp_{index * 7 % count}"
        found[campaign][f"loan_{index}"] = {"bucket": campaign, "n": index}
    return found


def write(path: Path, campaigns: Campaigns) -> None:
    """Write all records, those of the campaigns mixed."""
    pairs = [pair for records in campaigns.values() for pair in records.items()]
    pairs.sort(key=lambda pair: pair[1]["n"])
    path.write_bytes(b"".join(ndjson_line(*pair) + b"\n" for pair in pairs))


def sums_are_true(done: Outcome) -> None:
    report = done.report
    assert balanced(report["records"])
    for campaign in report["campaigns"]:
        assert balanced(campaign["records"])
    for name in ("updated", "rejected", "unknown", "pending", "superseded"):
        assert report["records"][name] == sum(each["records"][name] for each in report["campaigns"]), name
    for name, count in report["requests"].items():
        assert count == sum(each["requests"][name] for each in report["campaigns"]), name


def statuses(done: Outcome) -> dict[str, str]:
    return {each["campaign_id"]: each["status"] for each in done.report["campaigns"]}


def state_of(engine: Engine, campaigns: Campaigns) -> Campaigns:
    return {campaign: engine.server.state(campaign=campaign) for campaign in campaigns}


@pytest.mark.parametrize("count", [5, 50])
def test_each_record_arrives_in_its_campaign_whatever_the_server_does(count: int, make_engine: MakeEngine) -> None:
    engine = make_engine(other_campaign="camp_*", fault=["503:0.1", "reset-after-apply:0.05"], reject="loan_77")
    campaigns = campaigns_of(count, 20_000)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"})
    done = engine.sync()
    assert done.exit_code == 3, done.err
    assert done.report["campaign_id"] == ""
    sums_are_true(done)
    whose = next(campaign for campaign, records in campaigns.items() if records.pop("loan_77", None))
    assert state_of(engine, campaigns) == campaigns
    assert statuses(done) == dict.fromkeys(campaigns, "succeeded") | {whose: "partial"}
    [reject] = engine.rejects()
    assert (reject["id"], reject["campaign_id"]) == ("loan_77", whose)
    assert engine.server.stats()["overlaps"] == 0


def test_many_campaigns_take_few_requests_each(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*"), campaigns_of(1_000, 30_000)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"}, upload={"batch_size": 100})
    done = engine.sync()
    assert done.exit_code == 0, done.err
    sums_are_true(done)
    assert engine.server.campaigns() == dict.fromkeys(campaigns, 30)
    assert engine.server.state(campaign="camp_7") == campaigns["camp_7"]
    assert len(done.report["campaigns"]) == 1_000


def test_values_are_mapped_to_campaigns_from_csv(make_engine: MakeEngine) -> None:
    engine = make_engine(other_campaign=["camp_a", "camp_b"])
    (engine.home / "loans.csv").write_text("id,bucket,x\n1,0-30,a\n2,31-60,b\n3,0-30,c\n", encoding="utf-8")
    engine.configure(
        source={"path": "loans.csv", "id": "id", "exclude": ["bucket"]},
        route={"column": "bucket", "campaigns": {"0-30": "camp_a", "31-60": "camp_b"}},
    )
    assert engine.sync().exit_code == 0
    assert engine.server.state(campaign="camp_a") == {"1": {"x": "a"}, "3": {"x": "c"}}
    assert engine.server.state(campaign="camp_b") == {"2": {"x": "b"}}


OTHERS = b'{"id":"1","data":{"b":"a","x":1}}\n{"id":"2","data":{"b":"?","x":2}}\n{"id":"3","data":{"x":3}}\n'


@pytest.mark.parametrize(
    ("other", "exit_code", "records"),
    [
        ("invalid", 3, {"read": 3, "invalid": 2, "updated": 1}),
        ("skip", 0, {"read": 1, "filtered": 2, "updated": 1}),
        ("camp_rest", 0, {"read": 3, "updated": 3}),
    ],
)
def test_what_is_for_no_campaign(other: str, exit_code: int, records: dict[str, int], make_engine: MakeEngine) -> None:
    engine = make_engine(other_campaign=["camp_a", "camp_rest"])
    (engine.home / "loans.ndjson").write_bytes(OTHERS)
    engine.configure(
        source={"path": "loans.ndjson"}, route={"column": "b", "campaigns": {"a": "camp_a"}, "other": other}
    )
    done = engine.sync()
    assert (done.exit_code, done.records) == (exit_code, records), done.err
    rest = {"2": {"b": "?", "x": 2}, "3": {"x": 3}} if other == "camp_rest" else {}
    assert state_of(engine, {"camp_a": {}, "camp_rest": {}}) == {"camp_a": {"1": {"b": "a", "x": 1}}, "camp_rest": rest}
    if other == "invalid":
        assert [(reject["id"], reject["campaign_id"], reject["data"]) for reject in engine.rejects()] == [
            ("2", None, {"b": "?", "x": 2}),
            ("3", None, {"x": 3}),
        ]
        assert "route.campaigns" in engine.rejects()[0]["reason"]


@pytest.mark.parametrize(
    ("flags", "requests_max"),
    [({"forbidden_campaign": "camp_1"}, 8), ({}, 8), ({"closed_campaign": "camp_1"}, 20)],
    ids=["forbidden", "not found", "refused with 400"],
)
def test_a_refused_campaign_ends_its_own_part_alone(
    flags: dict[str, str], requests_max: int, make_engine: MakeEngine
) -> None:
    engine = make_engine(other_campaign=["camp_0", "camp_2"], **flags)
    campaigns = campaigns_of(3, 3_000)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"}, upload={"batch_size": 50})
    done = engine.sync()
    assert done.exit_code == 77, done.err
    sums_are_true(done)
    assert statuses(done) == {"camp_0": "succeeded", "camp_1": "failed", "camp_2": "succeeded"}
    refused = campaigns.pop("camp_1")
    assert state_of(engine, campaigns) == campaigns
    [failed] = [each for each in done.report["campaigns"] if each["status"] == "failed"]
    assert failed["records"]["pending"] == len(refused)
    assert failed["requests"]["sent"] <= requests_max
    assert "camp_1" in done.report["message"]
    engine.server.change(other_campaign=["camp_0", "camp_1", "camp_2"], forbidden_campaign=[], closed_campaign=[])
    again = engine.sync()
    assert (again.exit_code, again.report["run_id"]) == (0, done.report["run_id"]), again.err
    sums_are_true(again)
    assert engine.server.state(campaign="camp_1") == refused


def test_a_campaign_that_rejects_too_much_ends_its_own_part_alone(make_engine: MakeEngine) -> None:
    campaigns = campaigns_of(2, 2_000)
    bad = list(campaigns["camp_1"])[:400]
    engine = make_engine(other_campaign="camp_*", reject=bad)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"}, upload={"batch_size": 100})
    done = engine.sync()
    assert done.exit_code == 65, done.err
    sums_are_true(done)
    assert statuses(done) == {"camp_0": "succeeded", "camp_1": "failed"}
    assert engine.server.state(campaign="camp_0") == campaigns["camp_0"]


def test_a_killed_run_goes_on_in_all_campaigns(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*", hold="before-apply"), campaigns_of(10, 4_000)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"}, upload={"batch_size": 50})
    for _ in range(5):
        process = engine.start("sync", "--json")
        for _ in range(12):
            engine.server.wait(held=1)
            engine.server.release(1)
        process.kill()
        process.communicate()
    engine.server.change(hold="nothing")
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 4_000, "updated": 4_000}), done.err
    sums_are_true(done)
    assert done.report["resumes"] == 5
    assert state_of(engine, campaigns) == campaigns


def test_the_same_id_in_two_campaigns_is_two_records(make_engine: MakeEngine) -> None:
    engine = make_engine(other_campaign="camp_*")
    lines = [
        ndjson_line(f"loan_{index % 100}", {"bucket": f"camp_{index // 100}", "n": index}) for index in range(1_000)
    ]
    lines += [ndjson_line("loan_5", {"bucket": "camp_5", "late": True})]
    (engine.home / "loans.ndjson").write_bytes(b"\n".join(lines))
    engine.configure(
        source={"path": "loans.ndjson"},
        route={"column": "bucket"},
        guard={"max_superseded": "0"},
        upload={"batch_size": 7},
    )
    stopped = engine.sync()
    assert stopped.exit_code == 65, stopped.err
    assert "1 of 1,001 records" in stopped.report["message"]
    engine.configure(guard={"max_superseded": "1"})
    done = engine.sync()
    assert done.exit_code == 0, done.err
    assert engine.server.state(["loan_5"], "camp_5") == {"loan_5": {"bucket": "camp_5", "n": 505, "late": True}}
    assert engine.server.campaigns() == {f"camp_{number}": 100 for number in range(10)}


def test_replay_sends_each_record_to_its_campaign(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*", reject=["loan_1", "loan_8"]), campaigns_of(5, 1_000)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"})
    assert engine.sync().exit_code == 3
    engine.server.change(reject=[])
    done = engine.run("replay", "--json")
    assert done.exit_code == 0, done.err
    assert {each["campaign_id"]: each["records"]["updated"] for each in done.report["campaigns"]} == {
        "camp_1": 1,
        "camp_2": 1,
    }
    assert state_of(engine, campaigns) == campaigns


def test_mistakes_are_told_at_once(make_engine: MakeEngine) -> None:
    engine = make_engine()
    engine.configure(source={"path": "x.csv", "id": "id"}, route={"campaigns": {}, "other": "", "colum": "b"})
    done = engine.sync()
    assert done.exit_code == 2
    for words in ("route.campaigns: must have a value", "route.other: must not be empty", "route.colum: unknown"):
        assert words in done.err
    assert "api.campaign_id" not in done.err


def test_a_column_that_is_not_there_is_a_mistake(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "loans.csv").write_text("id,x\n1,2\n", encoding="utf-8")
    engine.configure(source={"path": "loans.csv", "id": "id"}, route={"column": "bucket"})
    done = engine.sync()
    assert (done.exit_code, "no column 'bucket' (route.column)" in done.report["message"]) == (2, True)


def test_the_report_is_plain_json_of_the_contract(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*"), campaigns_of(2, 10)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"})
    done = engine.sync()
    [run_dir] = (engine.home / "engine-state" / "runs").iterdir()
    report = json.loads((run_dir / "report.json").read_bytes())
    assert [each["campaign_id"] for each in report["campaigns"]] == ["camp_0", "camp_1"]
    assert set(report["campaigns"][0]) >= {"campaign_id", "status", "reasons", "records", "gone", "requests"}
    assert done.exit_code == 0


def test_check_proves_all_campaigns(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign=["camp_0", "camp_1"]), campaigns_of(3, 30)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"}, delta={"mode": "changed"})
    done = engine.run("check")
    assert done.exit_code == 77, done.err
    assert "30 records for 3 campaigns by 'bucket'" in done.out
    assert "there is no camp_2 among its 3 campaigns; the source has 10 records for it" in done.out
    engine.server.change(other_campaign=["camp_0", "camp_1", "camp_2"])
    done = engine.run("check")
    assert (done.exit_code, "all 3 campaigns there" in done.out) == (0, True), done.out
    assert engine.sync().exit_code == 0
    assert "3 campaigns with 30 ids, 30 of them known" in engine.run("check").out


def test_check_says_how_requests_for_very_many_campaigns_could_be_fuller(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*"), campaigns_of(200, 4_000)
    write(engine.home / "loans.ndjson", campaigns)
    upload = {"batch_size": 20}
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"}, upload=upload)
    before = engine.run("check").out
    assert " requests where 200 would do: only 50 full ones may wait for more records; sort the source by" in before
    assert "set route.open_chunks = 200" in before
    engine.configure(route={"open_chunks": 200})
    assert "where 200 would do" not in engine.run("check").out
    assert engine.sync().report["requests"]["sent"] == 200


def test_a_dry_run_tells_what_each_campaign_would_get(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*"), campaigns_of(3, 30)
    path = engine.home / "loans.ndjson"
    write(path, campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"})
    told = json.loads(engine.run("sync", "--dry-run", "--json").out)
    assert told["campaigns"] == dict.fromkeys(campaigns, 10)
    assert told["first_payload"]["campaignId"] in campaigns
    engine.configure(delta={"mode": "changed"})
    assert engine.sync().exit_code == 0
    first, second = (next(iter(campaigns[name])) for name in ("camp_0", "camp_1"))
    del campaigns["camp_0"][first]
    campaigns["camp_1"][second]["x"] = 1
    write(path, campaigns)
    told = json.loads(engine.run("sync", "--dry-run", "--json").out)
    assert (told["records"]["unchanged"], told["delta"]["to_send"]["changed"], told["gone"]["found"]) == (28, 1, 1)
    assert "camp_0" in engine.run("sync", "--dry-run").out


def test_people_read_of_each_campaign(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*", forbidden_campaign="camp_1"), campaigns_of(3, 30)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(
        source={"path": "loans.ndjson"}, route={"column": "bucket"}, notify={"prometheus_textfile": "sync.prom"}
    )
    done = engine.run("sync")
    assert done.exit_code == 77
    metrics = (engine.home / "sync.prom").read_text(encoding="utf-8")
    assert 'bulk_sync_campaign_records{campaign="camp_0",outcome="updated"} 10.0\n' in metrics
    assert 'bulk_sync_campaign_records{campaign="camp_1",outcome="pending"} 10.0\n' in metrics
    assert 'bulk_sync_campaign_exit_code{campaign="camp_1"} 77.0\n' in metrics
    assert 'bulk_sync_records{campaign="",outcome="updated"} 20.0\n' in metrics
    assert "Campaigns" in done.out
    [line] = [line for line in done.out.splitlines() if line.startswith("  camp_1 ")]
    assert line.split() == ["camp_1", "10", "0", "10", "failed"]
    [page] = (engine.home / "engine-state" / "runs").glob("*/report.html")
    assert "3 campaigns" in page.read_text(encoding="utf-8")


def test_find_names_the_campaign_of_a_run_with_many(make_engine: MakeEngine) -> None:
    engine, campaigns = make_engine(other_campaign="camp_*"), campaigns_of(2, 4)
    write(engine.home / "loans.ndjson", campaigns)
    engine.configure(source={"path": "loans.ndjson"}, route={"column": "bucket"})
    assert engine.sync().exit_code == 0
    record_id, campaign_id = next((each, name) for name, held in campaigns.items() for each in held)
    done = engine.run("find", "--json", record_id)
    assert done.exit_code == 0, done.err
    [found] = json.loads(done.out)
    assert (found["answer"], found["campaign_id"]) == ("arrived", campaign_id)
