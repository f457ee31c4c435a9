"""People are told of a night through Apprise: real runs, real messages, and nobody sees an address."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.listeners import Dripping, HealthCheck
from tests.acceptance.portfolios import portfolio, write_ndjson

MakeEngine = Callable[..., Engine]

SECRET = "canary-T0KEN"


@pytest.fixture
def chat() -> Iterator[HealthCheck]:
    with HealthCheck() as chat:
        yield chat


def prepared(engine: Engine, chat: HealthCheck, **notify: Any) -> Engine:
    write_ndjson(engine.home / "loans.ndjson", portfolio(40))
    engine.env |= {"no_proxy": "127.0.0.1", "ALERTS": f"{address_of(chat)}/{SECRET}"}
    engine.configure(notify={"urls": ["env:ALERTS"], **notify}, log={"level": "debug"})
    return engine


def address_of(chat: HealthCheck) -> str:
    return chat.url.replace("http://", "json://").removesuffix("/ping/uuid")


def titles(chat: HealthCheck) -> list[str]:
    return [json.loads(ping.body)["title"].rpartition(": ")[2] for ping in chat.pings]


def test_a_failure_is_told_with_its_reasons_and_without_record_data(make_engine: MakeEngine, chat: HealthCheck) -> None:
    loans = portfolio(40)
    refused = next(iter(loans))
    engine = prepared(make_engine(reject=refused), chat)
    assert engine.sync().exit_code == 3
    [ping] = chat.pings
    said = json.loads(ping.body)
    assert ping.path == f"/{SECRET}"
    assert said["title"] == f"bulk-sync {engine.server.campaign_id}: partial"
    assert "1 of 40 records was not accepted" in said["message"]
    assert "updated 39, rejected 1" in said["message"]
    assert "1 rejected: " in said["message"]
    assert not [id_ for id_ in loans if id_ in ping.body]
    engine.server.change(reject=[])
    assert engine.sync().exit_code == 0
    assert len(chat.pings) == 1


def test_a_change_is_told_and_what_stays_is_not(make_engine: MakeEngine, chat: HealthCheck) -> None:
    engine = prepared(make_engine(), chat, on="change")
    refused = next(iter(portfolio(40)))
    told = []
    for rejected in ([], [refused], [refused], [], []):
        engine.server.change(reject=rejected)
        assert engine.sync().exit_code in (0, 3)
        told.append(len(chat.pings))
    assert told == [0, 1, 1, 2, 2]
    assert titles(chat) == ["partial", "succeeded"]


def test_a_night_that_does_not_begin_is_told(make_engine: MakeEngine, chat: HealthCheck) -> None:
    engine = prepared(make_engine(), chat)
    (engine.home / "loans.ndjson").unlink()
    assert engine.sync().exit_code == 66
    assert titles(chat) == ["no run"]


def test_who_cannot_be_told_changes_nothing_and_is_called_by_place(make_engine: MakeEngine, chat: HealthCheck) -> None:
    engine = prepared(make_engine(), chat, urls=["json://127.0.0.1:9/x", "env:ALERTS"], on="always")
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 40, "updated": 40})
    assert "address 1 of 2 in notify.urls (json) could not be told" in done.err
    assert titles(chat) == ["succeeded"]


def test_who_never_answers_neither_holds_up_the_end_nor_changes_it(make_engine: MakeEngine, chat: HealthCheck) -> None:
    with Dripping() as server:
        urls = [f"json://127.0.0.1:{server.port}", "env:ALERTS"]
        done = prepared(make_engine(), chat, urls=urls, on="always").sync()
    assert (done.exit_code, done.records) == (0, {"read": 40, "updated": 40})
    assert "address 1 of 2 in notify.urls (json) could not be told within 10 s" in done.err
    assert titles(chat) == ["succeeded"]


def test_an_address_is_shown_and_kept_nowhere(make_engine: MakeEngine, chat: HealthCheck) -> None:
    engine = prepared(make_engine(), chat, urls=["env:ALERTS", f"json://127.0.0.1:9/{SECRET}"], on="always")
    written = (engine.home / "seen.txt").absolute()
    command = ["/bin/sh", "-c", f"env > {written}"]
    engine.configure(notify={"command": command})
    outcomes = [
        engine.run(*line.split())
        for line in ("check", "check --notify", "sync", "sync --json", "sync --dry-run", "status --json", "replay")
    ]
    engine.configure(notify={"urls": [SECRET, f"nonsense://{SECRET}"]})
    outcomes += [engine.run("check"), engine.run("sync")]
    engine.configure(notify={"urls": [f"nonsense://{SECRET}"]})
    outcomes += [engine.run("check"), engine.run("sync")]
    assert [outcome.exit_code for outcome in outcomes[-4:]] == [2, 2, 2, 2]
    assert chat.pings
    told = "\n".join(text for outcome in outcomes for text in (outcome.out, outcome.err))
    files = [path for path in engine.home.rglob("*") if path.is_file() and path.name != "config.toml"]
    kept = b"\n".join(path.read_bytes() for path in files)
    assert written in files
    assert SECRET.casefold() not in told.casefold()
    assert SECRET.encode() not in kept


def test_check_proves_addresses_and_tells_only_if_asked(make_engine: MakeEngine, chat: HealthCheck) -> None:
    engine = prepared(make_engine(), chat)
    checked = engine.run("check")
    assert (checked.exit_code, chat.pings) == (0, [])
    assert "✓ notify    1 address understood, told on failure; check --notify sends a test" in checked.out
    assert "✓ notify    1 address told that this is a test" in engine.run("check", "--notify").out
    assert titles(chat) == ["test"]
    engine.configure(notify={"urls": []})
    assert "! notify    nobody is named in notify.urls" in engine.run("check", "--notify").out
    assert "notify" not in engine.run("check").out
    engine.configure(notify={"urls": ["nonsense://x"]})
    checked = engine.run("check")
    assert checked.exit_code == 2
    assert "✗ notify    address 1 of 1 in notify.urls (nonsense): Apprise does not understand it" in checked.out


def test_without_the_extra_it_is_2_and_one_line(make_engine: MakeEngine, chat: HealthCheck, tmp_path: Path) -> None:
    engine = prepared(make_engine(), chat)
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text("import sys; sys.modules['apprise'] = None\n")
    engine.env["PYTHONPATH"] = f"{tmp_path / 'without'}:{Path(__file__).parent.parent.parent}"
    done = engine.run("sync", "--log-format", "console")
    assert done.exit_code == 2
    assert done.err.splitlines() == [
        "engine: notify.urls needs Apprise, which is not installed: pip install 'bulk-sync-engine[notify]'"
    ]
    assert "✗ notify    notify.urls needs Apprise" in engine.run("check").out
    assert not (engine.home / "engine-state" / "runs").exists() or not list(
        (engine.home / "engine-state/runs").iterdir()
    )
    engine.configure(notify={"urls": []})
    assert engine.sync().exit_code == 0
