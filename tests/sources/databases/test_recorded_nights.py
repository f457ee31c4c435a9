"""Nights from SQL Server and Oracle to the API, by the real command, with recorded answers of the two."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import make_engine as make_engine
from tests.acceptance.engine_process import Engine, Outcome
from tests.sources.databases import portfolio
from tests.sources.databases.recorded import PASSWORD

ROOT = Path(__file__).parents[3]
QUERIES = {
    "oracle://reader@db.example.com/bank": portfolio.ORACLE_QUERY,
    "mssql://reader@db.example.com/bank": portfolio.MSSQL_QUERY,
}


def run(engine: Engine, *args: str) -> Outcome:
    command = [sys.executable, "-m", "tests.sources.databases.recorded_engine", *args]
    done = subprocess.Popen(
        command, cwd=engine.home, env=engine.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    return engine.outcome(done)


@pytest.fixture(params=QUERIES)
def engine(request: pytest.FixtureRequest, make_engine: Callable[..., Engine]) -> Engine:
    engine = make_engine()
    engine.tables["source"] = {"database": request.param, "query": QUERIES[request.param], "id": "id"}
    engine.configure()
    engine.env |= {"SOURCE_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    return engine


def test_a_night_and_the_next_one(engine: Engine) -> None:
    engine.configure(delta={"mode": "changed"})
    outcome = run(engine, "sync", "--json")
    assert outcome.exit_code == 0, outcome.err
    assert outcome.records == {"read": 4, "updated": 4}
    assert engine.server.state()["a"] == {
        "emi": 12.5, "rate": 0.1, "days": 9223372036854775807, "due": "2026-11-05", "note": 'ä "quoted" 😀',
        "seen": "2026-11-05T04:30:00Z", "open": True,
    }  # fmt: skip
    assert run(engine, "sync", "--json").records == {"read": 4, "unchanged": 4}
    written = [path.read_bytes() for path in engine.home.rglob("*") if path.is_file()]
    assert not [each for each in (outcome.out.encode(), outcome.err.encode(), *written) if PASSWORD.encode() in each]
    assert not (engine.home / "engine-state" / "spool").exists()


def test_init_check_and_dry_run(engine: Engine) -> None:
    source: dict[str, Any] = engine.tables["source"]
    made = run(engine, "init", source["database"], "--query", source["query"])
    assert made.exit_code == 0, made.err
    assert 'id = "id"' in made.out
    checked = run(engine, "check")
    assert checked.exit_code == 0, checked.out
    assert "one snapshot" in checked.out or "by SNAPSHOT" in checked.out
    assert ("the policy BRANCH_ONLY of BANK.LOANS may apply to READER" in checked.out) == ("oracle" in made.out)
    dry = run(engine, "sync", "--dry-run", "--json")
    assert dry.exit_code == 0, dry.err
    assert json.loads(dry.out)["records"]["to_send"] == 4
    assert '"emi":12.50' in dry.out
    assert engine.server.state() == {}


def test_a_driver_that_is_missing_is_named(engine: Engine) -> None:
    kind = engine.tables["source"]["database"].partition(":")[0]
    module = {"oracle": "oracledb", "mssql": "mssql_python"}[kind]
    hidden = engine.home / "hidden"
    hidden.mkdir()
    (hidden / f"{module}.py").write_text("raise ImportError", encoding="utf-8")
    engine.env["PYTHONPATH"] = str(hidden)
    outcome = engine.sync()
    assert outcome.exit_code == 2
    assert f"pip install 'bulk-sync-engine[{kind}]'" in outcome.err
