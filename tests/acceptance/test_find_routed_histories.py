"""`find` with `[route]` after random histories: what it calls arrived is in that campaign with today's values.

`FIND_SEED=7 FIND_HISTORIES=40` for others, and more.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.nights import CLOSED, killed, pushed
from tests.acceptance.test_find import asked
from tests.acceptance.test_find_histories import HISTORIES, SEED
from tests.acceptance.test_find_routed import MakeEngine, Row, routed, write

pytestmark = pytest.mark.nights

CAMPAIGNS = ["camp_0", "camp_1", "camp_2"]
IDS = [f"loan_{n}" for n in range(30)]
STEPS = 5


class History:
    """A random sequence of exports and commands; `told` says what was done, to read when it fails."""

    def __init__(self, engine: Engine, dice: Random) -> None:
        self.engine, self.dice = engine, dice
        self.rows = self.usual()
        self.before: list[list[Row]] = [self.rows]
        self.told: list[str] = []

    def usual(self) -> list[Row]:
        """Each id in one campaign, some of them in two."""
        rows: list[Row] = [(self.dice.choice(CAMPAIGNS), id_, n) for n, id_ in enumerate(IDS)]
        return rows + [("camp_1" if to == "camp_0" else "camp_0", id_, n) for to, id_, n in self.dice.sample(rows, 5)]

    def step(self) -> None:
        """Write another export, or not, and do the next thing."""
        if self.dice.random() < 0.8:
            self._export()
        server, dice = self.engine.server, self.dice
        server.change(reject=dice.sample(IDS, dice.choice([0, 0, 1, 3])))
        server.change(forbidden_campaign=dice.choice([[], [], [], ["camp_1"]]))
        buckets = dict(zip(CAMPAIGNS, CAMPAIGNS, strict=True))
        named = dice.choice([{}, {}, {"campaigns": buckets}, {"campaigns": dict(reversed(buckets.items()))}])
        self.engine.tables["route"] = {"column": "bucket", "other": dice.choice(["invalid", "skip", "camp_2"])} | named
        self.engine.configure(delta={"mode": dice.choice(["changed", "changed", "off"])})
        what = dice.choice(["night", "night", "night", "limit", "killed", "pushed", "replay"])
        self.told.append(f"{what} {self.engine.tables['delta']} {self.engine.tables['route']}")
        match what:
            case "night" | "limit":
                self.engine.sync(*(("--limit", str(dice.randint(1, 35))) if what == "limit" else ()))
            case "killed":
                killed(self.engine, None, "--fresh", "--full", at=dice.choice(["before-apply", "before-reply"]))
            case "pushed":
                server.change(reject=[], forbidden_campaign=[])
                if '"resumable": null' in self.engine.run("status", "--json").out:
                    pushed(self.engine, [(each, {"n": -1}) for each in dice.sample(IDS, 3)], dice.choice(CAMPAIGNS))
            case "replay":
                self.engine.run("replay")
        server.change(reject=[], forbidden_campaign=[])

    def _export(self) -> None:
        """Rows change, move, leave, come again, are for no campaign; or the export is that of an earlier night."""
        how = self.dice.choice(["changed", "moved", "gone", "again", "nowhere", "earlier"])
        some = set(self.dice.sample(IDS, 5))
        value = self.dice.randint(100, 999)
        match how:
            case "changed":
                self.rows = [(to, id_, value if id_ in some else n) for to, id_, n in self.rows]
            case "moved":
                self.rows = [(self.dice.choice(CAMPAIGNS) if id_ in some else to, id_, n) for to, id_, n in self.rows]
            case "gone":
                self.rows = [row for row in self.rows if row[1] not in some]
            case "again":
                self.rows = [*self.rows, *((self.dice.choice(CAMPAIGNS), id_, value) for id_ in sorted(some))]
            case "nowhere":
                self.rows = [(None if id_ in some else to, id_, n) for to, id_, n in self.rows]
            case "earlier":
                self.rows = self.dice.choice(self.before)
        self.before.append(self.rows)
        self.told.append(f"export {how}")
        write(self.engine, self.rows)

    def check(self) -> int:
        """Ask for every id; what is called arrived must be in its campaign. Return how many arrived everywhere."""
        held = {each: self.engine.server.state(campaign=each) for each in CAMPAIGNS}
        other = self.engine.tables["route"].get("other", "invalid")
        today: dict[tuple[str, str], int] = {}
        for to, id_, n in self.rows:
            campaign = to or (other if other in CAMPAIGNS else "")
            today[campaign, id_] = n
        done = self.engine.run("find", "--json", *IDS)
        assert done.exit_code in (0, 66), done.err
        arrived = 0
        for found in asked(self.engine, *IDS, exit_code=done.exit_code):
            arrived += found["answer"] == "arrived"
            every = found["campaigns"] or [found]
            for each in every:
                if each["answer"] == "arrived":
                    assert self._is_there(held, today, each), (each, self.told)
            if found["answer"] == "arrived":
                where = {campaign for campaign, id_ in today if id_ == found["id"]}
                assert where - {""} <= {each["campaign_id"] for each in every if each["answer"] == "arrived"}, self.told
        return arrived

    def _is_there(self, held: dict[str, Any], today: dict[tuple[str, str], int], facts: dict[str, Any]) -> bool:
        campaign, id_ = facts["campaign_id"], facts["id"]
        values = held[campaign].get(id_, {})
        return bool(values.get("n") == today[campaign, id_] and values.get("payment_status") != "closed")


@pytest.mark.parametrize("number", range(HISTORIES))
def test_what_has_arrived_is_there(number: int, make_engine: MakeEngine) -> None:
    print(f"FIND_SEED={SEED}, routed history {number}")
    dice = Random(f"{SEED}/routed/{number}")
    moved = dice.choice(["report", "gone"])
    engine = routed(make_engine, "changed", delta={"gone": CLOSED, "moved": moved}, upload={"concurrency": 1})
    history = History(engine, dice)
    write(engine, history.rows)
    for _ in range(STEPS):
        history.step()
        history.check()
    engine.configure(delta={"mode": "changed"})
    history.rows = history.usual()
    write(engine, history.rows)
    assert engine.sync("--fresh").exit_code == 0
    assert history.check() == len(IDS), history.told
