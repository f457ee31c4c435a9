"""Night after night, many campaigns: only what has changed is sent, and who is gone is gone from his own campaign."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine, Outcome
from tests.acceptance.portfolios import ndjson_line
from tests.acceptance.test_routing import state_of, sums_are_true

pytestmark = pytest.mark.nights

MakeEngine = Callable[..., Engine]
CLOSED = {"payment_status": "closed"}
Rows = dict[tuple[str, str], int]
"""What each record of each campaign holds."""


class Nights:
    """A source that changes from night to night, and what the server should hold of it."""

    def __init__(self, engine: Engine, *, gone: Any = CLOSED, moved: str = "report", column: str = "bucket") -> None:
        self.engine = engine
        self.rows: Rows = {(f"camp_{n % 3}", f"loan_{n}"): n for n in range(300)}
        delta = {"mode": "changed", "gone": gone, "moved": moved}
        engine.configure(
            source={"path": "loans.ndjson", "holds": "portfolio"},
            route={"column": column},
            delta=delta,
            guard={"max_gone": "20"},
            upload={"batch_size": 20},
        )

    def sync(self, *args: str, lines: list[bytes] | None = None) -> Outcome:
        records = [ndjson_line(id_, {"bucket": campaign, "n": n}) for (campaign, id_), n in self.rows.items()]
        (self.engine.home / "loans.ndjson").write_bytes(b"\n".join([*records, *(lines or [])]) + b"\n")
        done = self.engine.sync(*args)
        sums_are_true(done)
        gone = done.report["gone"]
        for name in ("found", "new", "moved", "updated", "pending", "rejected", "unknown"):
            assert gone[name] == sum(each["gone"][name] for each in done.report["campaigns"]), name
        return done

    def gone_lines(self) -> list[dict[str, Any]]:
        latest = max((self.engine.home / "engine-state" / "runs").iterdir())
        path = latest / "gone.ndjson"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def held(self, *campaigns: str) -> Rows:
        """What the server holds of records that are not closed."""
        states = state_of(self.engine, {each: {} for each in campaigns or ("camp_0", "camp_1", "camp_2")})
        return {
            (campaign, id_): data["n"]
            for campaign, state in states.items()
            for id_, data in state.items()
            if data.get("payment_status") != "closed"
        }


def of_campaigns(done: Outcome, *names: str) -> dict[str, list[int]]:
    return {each["campaign_id"]: [each["records"][name] for name in names] for each in done.report["campaigns"]}


def test_only_what_has_changed_is_sent_to_each_campaign(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"))
    first = nights.sync()
    assert (first.exit_code, first.records) == (0, {"read": 300, "updated": 300}), first.err
    assert first.report["delta"]["full"] is True
    for n in (3, 4, 7):
        nights.rows[f"camp_{n % 3}", f"loan_{n}"] = 1_000
    nights.rows["camp_new", "loan_new"] = 1
    second = nights.sync()
    assert (second.exit_code, second.records) == (0, {"read": 301, "unchanged": 297, "updated": 4}), second.err
    assert of_campaigns(second, "updated", "unchanged") == {
        "camp_0": [1, 99],
        "camp_1": [2, 98],
        "camp_2": [0, 100],
        "camp_new": [1, 0],
    }
    assert second.report["delta"] | {"last_full_at": None} == {
        "mode": "changed",
        "full": False,
        "full_reason": None,
        "ledger_records": 301,
        "last_full_at": None,
    }
    assert nights.held("camp_0", "camp_1", "camp_2", "camp_new") == nights.rows


def test_who_is_gone_is_told_in_his_own_campaign(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"))
    nights.rows["camp_1", "loan_0"] = 7  # the same id as one of camp_0
    assert nights.sync().exit_code == 0
    for key in (("camp_0", "loan_3"), ("camp_1", "loan_4")):
        del nights.rows[key]
    done = nights.sync()
    assert (done.exit_code, done.report["gone"]["updated"]) == (0, 2), done.err
    assert nights.held() == nights.rows
    told = {(each["campaign_id"], each["id"], each["outcome"]) for each in nights.gone_lines()}
    assert told == {("camp_0", "loan_3", "updated"), ("camp_1", "loan_4", "updated")}
    assert nights.sync().report["gone"]["found"] == 0
    nights.rows["camp_0", "loan_3"] = 3
    back = nights.sync()
    assert back.records == {"read": 300, "unchanged": 299, "updated": 1}


@pytest.mark.parametrize("moved", ["report", "gone"])
def test_who_has_moved_is_not_gone(moved: str, make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"), moved=moved)
    nights.sync()
    nights.rows["camp_1", "loan_3"] = nights.rows.pop(("camp_0", "loan_3"))
    nights.rows["camp_2", "loan_9"] = nights.rows.pop(("camp_0", "loan_9"))
    del nights.rows["camp_0", "loan_6"]
    done = nights.sync()
    assert done.exit_code == 0, done.err
    told = {each["id"]: (each.get("moved_to"), each.get("outcome")) for each in nights.gone_lines()}
    is_told = "updated" if moved == "gone" else None
    assert told == {"loan_3": ("camp_1", is_told), "loan_9": ("camp_2", is_told), "loan_6": (None, "updated")}
    assert done.report["gone"] | {"new": 1, "moved": 2, "found": 3 if moved == "gone" else 1} == done.report["gone"]
    held = nights.held()
    still = {} if moved == "gone" else {("camp_0", "loan_3"): 3, ("camp_0", "loan_9"): 9}
    assert held == nights.rows | still
    again = nights.sync()
    assert (again.report["gone"]["found"], again.report["gone"]["moved"]) == (0, 0)


def test_who_has_moved_is_told_once_the_new_campaign_has_acknowledged_it(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"), moved="gone")
    nights.sync()
    nights.rows["camp_1", "loan_3"] = nights.rows.pop(("camp_0", "loan_3"))
    nights.engine.server.change(reject=["loan_3"])
    done = nights.sync()
    assert (done.exit_code, done.report["gone"]["pending"], done.report["gone"]["moved"]) == (3, 1, 1), done.err
    assert ("camp_0", "loan_3") in nights.held()
    nights.engine.server.change(reject=[])
    done = nights.sync()
    assert (done.exit_code, done.report["gone"]["updated"]) == (0, 1), done.err
    assert nights.held() == nights.rows


def test_rows_that_are_for_no_campaign_are_gone_from_none(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"))
    nights.engine.configure(guard={"max_invalid": "100%"})
    nights.sync()
    del nights.rows["camp_0", "loan_3"], nights.rows["camp_0", "loan_6"], nights.rows["camp_1", "loan_4"]
    odd = [ndjson_line("loan_3", {"n": 3}), b'{"id":"loan_6","data":{}}']
    done = nights.sync(lines=odd)
    assert (done.exit_code, done.report["gone"]["updated"]) == (3, 1), done.err
    assert [each["id"] for each in nights.gone_lines()] == ["loan_4"]


def test_a_refused_campaign_and_one_without_rows_are_not_judged(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"))
    nights.sync()
    nights.engine.server.change(forbidden_campaign=["camp_1"])
    del nights.rows["camp_0", "loan_3"], nights.rows["camp_1", "loan_4"]
    nights.rows = {key: n for key, n in nights.rows.items() if key[0] != "camp_2"}
    nights.rows["camp_1", "loan_7"] = 1_000
    done = nights.sync()
    assert done.exit_code == 77, done.err
    assert [each["id"] for each in nights.gone_lines()] == ["loan_3"]
    nights.engine.server.change(forbidden_campaign=[])
    again = nights.sync()
    assert (again.exit_code, again.report["run_id"]) == (0, done.report["run_id"]), again.err
    assert ("camp_1", "loan_4") not in nights.held()
    assert len(nights.held("camp_2")) == 100


def test_too_many_gone_end_the_part_of_their_campaign(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"))
    nights.sync()
    for n in range(0, 90, 3):
        del nights.rows["camp_0", f"loan_{n}"]
    del nights.rows["camp_1", "loan_4"]
    done = nights.sync()
    assert done.exit_code == 65, done.err
    assert {each["campaign_id"]: each["status"] for each in done.report["campaigns"]} == {
        "camp_0": "failed",
        "camp_1": "succeeded",
        "camp_2": "succeeded",
    }
    assert ("camp_1", "loan_4") not in nights.held()
    assert len(nights.held("camp_0")) == 100
    nights.engine.configure(guard={"max_gone": "100%"})
    again = nights.sync()
    assert (again.exit_code, again.report["run_id"]) == (0, done.report["run_id"]), again.err
    assert nights.held() == nights.rows


def test_a_killed_night_goes_on(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*", hold="before-apply"))
    nights.engine.server.change(hold="nothing")
    nights.sync()
    nights.rows = {key: n + 1_000 if n % 2 else n for key, n in nights.rows.items() if n not in (5, 10)}
    records = [ndjson_line(id_, {"bucket": campaign, "n": n}) for (campaign, id_), n in nights.rows.items()]
    (nights.engine.home / "loans.ndjson").write_bytes(b"\n".join(records) + b"\n")
    nights.engine.server.change(hold="before-apply")
    for _ in range(3):
        process = nights.engine.start("sync", "--json")
        for _ in range(2):
            nights.engine.server.wait(held=1)
            nights.engine.server.release(1)
        process.kill()
        process.communicate()
    nights.engine.server.change(hold="nothing")
    done = nights.sync()
    assert done.exit_code == 0, done.err
    assert done.report["resumes"] == 3
    assert done.records == {"read": 298, "unchanged": 149, "updated": 149}
    assert nights.held() == nights.rows


def test_a_campaign_that_is_no_more_takes_back_what_was_unchanged(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"))
    nights.sync()
    nights.engine.server.change(other_campaign=["camp_0", "camp_2"])
    nights.rows["camp_1", "loan_4"] = 1_000
    done = nights.sync()
    assert done.exit_code == 77, done.err
    assert of_campaigns(done, "unchanged", "pending")["camp_1"] == [0, 100]
    nights.engine.server.change(other_campaign=["camp_*"])
    again = nights.sync()
    assert again.exit_code == 0, again.err
    assert of_campaigns(again, "unchanged", "updated")["camp_1"] == [0, 100]


def test_a_run_without_delta_voids_what_the_ledgers_know(make_engine: MakeEngine) -> None:
    nights = Nights(make_engine(other_campaign="camp_*"))
    nights.sync()
    nights.engine.configure(delta={"mode": "off"})
    nights.rows["camp_0", "loan_3"] = 1_000
    assert nights.sync().records == {"read": 300, "updated": 300}
    nights.rows["camp_0", "loan_3"] = 3
    nights.engine.configure(delta={"mode": "changed"})
    assert nights.sync().records == {"read": 300, "updated": 300}
    assert nights.held() == nights.rows


def test_another_mapping_sends_all_again_and_nobody_is_gone(make_engine: MakeEngine) -> None:
    engine = make_engine(other_campaign="camp_*")
    nights = Nights(engine)
    nights.sync()
    engine.configure(source={"nulls": "omit", "id": "id"})
    rows = [{"id": id_, "bucket": campaign, "n": n} for (campaign, id_), n in nights.rows.items()]
    (engine.home / "loans.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    engine.configure(delta={"gone": "report"})
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 300, "updated": 300}), done.err
    assert "mapping" in done.report["delta"]["full_reason"]
    assert done.report["gone"]["found"] == 0
    assert engine.sync().records == {"read": 300, "unchanged": 300}
