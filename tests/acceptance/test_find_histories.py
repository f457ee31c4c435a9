"""`find` after random histories: whatever it calls arrived is on the server with today's values.

`FIND_SEED=7 FIND_HISTORIES=40` for others, and more.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.nights import CHUNK, CLOSED, MakeEngine, cut, held, killed, night, pushed, texts, with_delta
from tests.acceptance.portfolios import portfolio, write_ndjson
from tests.acceptance.test_find import asked

pytestmark = pytest.mark.nights

SEED = int(os.environ.get("FIND_SEED", "20261129"))
HISTORIES = int(os.environ.get("FIND_HISTORIES", "8"))
STEPS = 6
LOANS = portfolio(30)
IDS = list(LOANS)
Rows = list[tuple[str, dict[str, Any]]]


class History:
    """A random sequence of exports and commands; `told` says what was done, to read when it fails."""

    def __init__(self, engine: Engine, random: Random) -> None:
        self.engine, self.random = engine, random
        self.rows: Rows = list(LOANS.items())
        self.before: list[Rows] = []
        self.told: list[str] = []

    def step(self) -> None:
        """Do the next thing."""
        if self.random.random() < 0.8:
            self._export()
        self.engine.server.change(reject=self.random.sample(IDS, self.random.choice([0, 0, 1, 3])))
        self.engine.configure(delta={"mode": self.random.choice(["changed", "changed", "changed", "off"])})
        flags = self.random.choice([(), (), (), ("--limit", str(self.random.randint(1, 35))), ("--fresh",)])
        what = self.random.choice(["night", "night", "night", "killed", "cut", "pushed", "replay"])
        self.told.append(f"{what} {' '.join(flags)} {self.engine.tables['delta']}")
        match what:
            case "night":
                night(self.engine, None, *flags)
            case "killed":
                killed(self.engine, None, "--fresh", "--full", at=self.random.choice(["before-apply", "before-reply"]))
            case "cut":
                cut(self.engine, None, "--fresh", "--full", done=1)
            case "pushed":
                if not self._waits():
                    self.engine.server.change(reject=[])
                    pushed(self.engine, [(each, {"emi_amount": 1}) for each in self._some(3)])
            case "replay":
                self.engine.run("replay")

    def _waits(self) -> bool:
        return '"resumable": null' not in self.engine.run("status", "--json").out

    def _some(self, count: int) -> list[str]:
        return sorted(self.random.sample(IDS, count))

    def _export(self) -> None:
        """Write another export: changed, cut short, with ids that come again, or that of an earlier night."""
        how = self.random.choice(["changed", "changed", "gone", "again", "earlier", "torn"])
        if how == "earlier" and self.before:
            self.rows = self.random.choice(self.before)
        elif how == "gone":
            away = set(self._some(3))
            self.rows = [row for row in LOANS.items() if row[0] not in away]
        elif how == "again":
            more = {"note": f"call {self.random.randint(1, 99)}"}
            for each in self._some(4):
                row = (each, self.random.choice([more, {"payment_status": "overdue"}, LOANS[each]]))
                self.rows = [*self.rows]
                self.rows.insert(self.random.randint(0, len(self.rows)), row)
        else:
            other = {"payment_status": f"overdue {self.random.randint(1, 9)}"}
            some = set(self._some(6))
            self.rows = [(each, data | other if each in some else data) for each, data in self.rows]
        self.before.append(self.rows)
        self.told.append(f"export {how}")
        path = self.engine.home / "loans.ndjson"
        write_ndjson(path, self.rows)
        if how == "torn":
            lines = path.read_bytes().splitlines(keepends=True)
            at = self.random.randrange(len(lines))
            path.write_bytes(b"".join([*lines[:at], b"{torn\n", *lines[at:]]))

    def check(self) -> int:
        """Ask for every id; what is called arrived must be there. Return how many are."""
        on_server = held(self.engine)
        today: dict[str, dict[str, str]] = {}
        for each, data in self.rows:
            today[each] = today.get(each, {}) | texts(data)
        done = self.engine.run("find", "--json", *IDS)
        assert done.exit_code in (0, 66), done.err
        arrived = 0
        for found in asked(self.engine, *IDS, exit_code=done.exit_code):
            if found["answer"] == "arrived":
                arrived += 1
                values = on_server.get(found["id"], {})
                assert values.items() >= today[found["id"]].items(), (found, values, self.told)
        return arrived


@pytest.mark.parametrize("number", range(HISTORIES))
def test_what_has_arrived_is_there(number: int, make_engine: MakeEngine) -> None:
    print(f"FIND_SEED={SEED}, history {number}")
    engine = with_delta(make_engine(), delta={"gone": CLOSED}, upload={"batch_size": CHUNK, "concurrency": 1})
    engine.configure(guard={"max_superseded": "100%", "max_invalid": "100%", "max_gone": "100%"})
    history = History(engine, Random(f"{SEED}/{number}"))
    write_ndjson(engine.home / "loans.ndjson", history.rows)
    for _ in range(STEPS):
        history.step()
        history.check()
    engine.server.change(reject=[])
    engine.configure(delta={"mode": "changed"})
    write_ndjson(engine.home / "loans.ndjson", LOANS)
    history.rows = list(LOANS.items())
    assert night(engine, None, "--fresh").exit_code == 0
    assert history.check() == len(LOANS), history.told
