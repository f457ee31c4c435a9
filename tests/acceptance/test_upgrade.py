"""The program is newer than its state directory, or older: what was begun goes on, or nothing is touched."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.acceptance.engine_process import Engine, balanced
from tests.state.test_migrations import FINISHED, INTERRUPTED, WRITTEN_BY_0_1

MakeEngine = Callable[..., Engine]


def left_by_0_1(engine: Engine) -> Path:
    """Put what version 0.1 left beside the engine, as if its API had had the address of this stand-in."""
    home = WRITTEN_BY_0_1.parent
    shutil.copytree(home, engine.home, dirs_exist_ok=True)
    tables = tomllib.loads((home / "config.toml").read_text(encoding="utf-8"))
    url = tables.pop("api")["url"]
    engine.configure(**tables)
    database = engine.home / "engine-state" / "journal.sqlite3"
    with closing(sqlite3.connect(database)) as db, db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        db.execute("UPDATE run SET identity = replace(identity, ?, ?)", (url, engine.server.url))
    return database


def test_a_run_that_0_1_left_unfinished_is_resumed_and_not_started_over(make_engine: MakeEngine) -> None:
    engine = make_engine()
    database = left_by_0_1(engine)
    before = json.loads(engine.run("status", "--json").out)
    assert [run["status"] for run in before["runs"]] == ["partial", "crashed"]
    assert before["resumable"] == INTERRUPTED

    done = engine.sync()
    assert done.exit_code == 3, done.err
    assert (done.report["run_id"], done.report["resumes"]) == (INTERRUPTED, 1)
    assert done.records == {"read": 30, "invalid": 2, "superseded": 1, "updated": 26, "rejected": 1}
    assert balanced(done.report["records"])
    assert done.report["requests"]["sent"] == 6
    assert (engine.server.stats()["requests"], engine.server.stats()["records"]) == (3, 12)  # and not all six again
    assert [each.get("id") for each in engine.rejects()] == ["loan_04", "loan_07", None]

    after = json.loads(engine.run("status", "--json").out)
    assert [run["status"] for run in after["runs"]] == ["partial", "partial"]
    assert (after["resumable"], after["rejected"]) == (None, [FINISHED, INTERRUPTED])
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA user_version").fetchone() > (1,)


def test_what_0_1_could_not_deliver_is_replayed(make_engine: MakeEngine) -> None:
    engine = make_engine()
    left_by_0_1(engine)
    refused = engine.run("replay", FINISHED, "--json")
    assert (refused.exit_code, INTERRUPTED in refused.err) == (2, True)  # what was interrupted goes first
    assert engine.sync().exit_code == 3
    assert "loan_07" not in engine.server.state()  # the run was interrupted after it was refused
    assert engine.run("replay", FINISHED, "--json").records == {}  # the other run has read them since
    assert engine.run("replay", "--json").records == {"read": 1, "updated": 1}
    assert "loan_07" in engine.server.state()


def test_a_state_of_a_newer_version_is_refused(make_engine: MakeEngine) -> None:
    engine = make_engine()
    database = left_by_0_1(engine)
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA user_version = 99")
    before = database.read_bytes()
    for command in ("sync", "replay"):
        refused = engine.run(command)
        assert refused.exit_code == 74, refused.err
        assert "format 99, a newer version of this program wrote it" in refused.err
    assert "format 99, a newer version of this program wrote it" in engine.run("check").out
    assert database.read_bytes() == before
    assert engine.server.stats()["requests"] == 0
