"""Which run a command continues: nights that are cut, other jobs in between, new exports, and what `status` says."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from engine.values.errors import ConfigError
from tests.acceptance.engine_process import WAIT_S, Engine, wait_until_it_says
from tests.acceptance.portfolios import Portfolio, portfolio, write_ndjson
from tests.stand_in import let_through

pytestmark = pytest.mark.nights

MakeEngine = Callable[..., Engine]

CHUNK = 10


def prepared(engine: Engine, records: int = 100) -> Portfolio:
    loans = portfolio(records)
    write_ndjson(engine.home / "loans.ndjson", loans)
    engine.configure(upload={"batch_size": CHUNK, "concurrency": 2})
    return loans


def newer(loans: Portfolio) -> Portfolio:
    """The next export: the same ids, other values."""
    return {record_id: data | {"payment_status": "closed"} for record_id, data in loans.items()}


def cut(engine: Engine, command: str = "sync", *, done: int = 3) -> dict[str, object]:
    """Run a command until a signal stops it, with so many requests answered and none open; return its report."""
    engine.server.change(hold="before-reply")
    process = engine.start(command, "--json")
    let_through(engine.server, done)
    process.send_signal(signal.SIGTERM)
    wait_until_it_says(process, b'"stopping"')
    engine.server.change(hold="nothing")
    engine.server.release()
    out, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75
    report: dict[str, object] = json.loads(out)
    return report


def status(engine: Engine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.run("status", "--json").out)
    return found


def report_of(engine: Engine, run_id: object) -> dict[str, object]:
    text = (engine.home / "engine-state" / "runs" / str(run_id) / "report.json").read_text()
    report: dict[str, object] = json.loads(text)
    return report


def test_a_replay_waits_for_a_sync_that_was_cut(make_engine: MakeEngine) -> None:
    engine = make_engine(reject="loan_000005")
    loans = prepared(engine)
    first = engine.sync()
    assert first.exit_code == 3
    write_ndjson(engine.home / "loans.ndjson", newer(loans))
    engine.server.change(reject=[])
    second = cut(engine)
    requests = engine.server.stats()["requests"]
    refused = engine.run("replay", first.report["run_id"])
    assert refused.exit_code == 2
    assert f"run {second['run_id']} was interrupted and waits to be continued" in refused.err
    assert engine.server.stats()["requests"] == requests
    assert status(engine)["resumable"] == second["run_id"]
    assert engine.sync().exit_code == 0
    assert engine.server.state() == newer(loans)
    assert engine.run("replay", first.report["run_id"]).exit_code == 0  # nothing is left that is not out of date
    assert engine.server.state() == newer(loans)


async def test_a_push_waits_for_a_sync_that_was_cut(make_engine: MakeEngine) -> None:
    import engine as library

    installed = make_engine()
    prepared(installed)
    cut(installed)
    with pytest.raises(ConfigError, match="waits to be continued; a push beside it"):
        await library.push(
            [("loan_000099", {"emi_amount": 1})],
            url=installed.server.url,
            campaign_id=installed.server.campaign_id,
            token=installed.server.token,
            state_dir=installed.home / "engine-state",
        )


def test_a_new_export_is_refused_at_first_and_begun_once_the_old_night_is_over(make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = prepared(engine)
    first = cut(engine)
    write_ndjson(engine.home / "loans.ndjson", newer(loans))
    refused = engine.sync()
    assert refused.exit_code == 65
    assert "the source has changed since run" in refused.err
    engine.configure(state={"resume_within": "0s"})
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 100, "updated": 100})
    assert done.report["run_id"] != first["run_id"]
    assert report_of(engine, first["run_id"])["closed_by"] == done.report["run_id"]
    assert done.report["closed_by"] is None
    assert status(engine)["resumable"] is None
    assert engine.server.state() == newer(loans)


def test_each_part_of_changes_is_delivered(make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = prepared(engine)
    engine.configure(state={"resume_within": "0s"}, source={"holds": "changes"})
    cut(engine)
    write_ndjson(engine.home / "loans.ndjson", portfolio(100, first=100))
    assert engine.sync().exit_code == 65
    write_ndjson(engine.home / "loans.ndjson", loans)
    assert engine.sync().exit_code == 0
    write_ndjson(engine.home / "loans.ndjson", portfolio(100, first=100))
    assert engine.sync().exit_code == 0
    assert engine.server.state() == portfolio(200)


def test_a_run_in_which_nothing_was_sent_stands_in_nobody_s_way(make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = prepared(engine)
    engine.configure(api={"campaign_id": "misspelt"})
    refused = engine.sync()
    assert refused.exit_code == 77
    engine.configure(api={"campaign_id": engine.server.campaign_id})
    write_ndjson(engine.home / "loans.ndjson", newer(loans))
    done = engine.sync()
    assert (done.exit_code, done.report["resumes"]) == (0, 0)
    assert report_of(engine, refused.report["run_id"])["closed_by"] == done.report["run_id"]


def test_the_same_bytes_under_another_name_go_on(make_engine: MakeEngine) -> None:
    engine = make_engine()
    prepared(engine)
    first = cut(engine)
    (engine.home / "loans.ndjson").rename(engine.home / "loans-again.ndjson")
    engine.configure(source={"path": "loans-again.ndjson"})
    done = engine.sync()
    assert (done.exit_code, done.report["run_id"], done.report["resumes"]) == (0, first["run_id"], 1)
    assert engine.server.stats()["repeated"] == 0


def test_fresh_forgets_nothing_that_was_acknowledged_and_closes_the_old_run(make_engine: MakeEngine) -> None:
    engine = make_engine()
    prepared(engine)
    first = cut(engine)
    done = engine.sync("--fresh")
    assert (done.exit_code, done.report["resumes"]) == (0, 0)
    assert report_of(engine, first["run_id"])["closed_by"] == done.report["run_id"]


def test_a_finished_run_that_was_killed_before_its_report_is_no_run_to_resume(make_engine: MakeEngine) -> None:
    engine = make_engine()
    prepared(engine)
    done = engine.sync()
    run_dir = engine.home / "engine-state" / "runs" / done.report["run_id"]
    for name in ("report.json", "report.html"):
        (run_dir / name).unlink()  # as a process leaves it that is killed between the journal and the report
    found = status(engine)
    assert found["resumable"] is None
    [derived] = found["runs"]
    for name in ("run_id", "status", "exit_code", "records", "requests", "reasons"):
        assert derived[name] == done.report[name]
    again = engine.sync()
    assert (again.exit_code, again.report["resumes"]) == (0, 0)
    assert report_of(engine, done.report["run_id"])["records"] == done.report["records"]
    assert (run_dir / "report.html").exists()


def test_a_long_silence_is_kept_by_however_many_starts(make_engine: MakeEngine) -> None:
    engine = make_engine(rate=0.01, burst=1, retry_after="3600")
    prepared(engine)
    first = engine.sync()
    assert first.exit_code == 75
    assert "3600 s of silence" in first.report["message"]
    requests = engine.server.stats()["requests"]
    for command in (["sync"], ["sync", "--fresh"], ["replay"], ["sync"]):
        again = engine.run(*command)
        assert again.exit_code in (2, 75)  # the replay waits for the sync
        assert "waits 0 s" not in again.err
    assert "the API asked for 3600 s of silence (Retry-After), which end at 20" in again.err
    assert engine.server.stats()["requests"] == requests
    assert len(list((engine.home / "engine-state" / "runs").iterdir())) == 1
    engine.configure(upload={"retry_window_s": 7200.0})
    process = engine.start("sync")  # it lies within the window now: wait, and stop when told to
    wait_until_it_says(process, b"waiting_for_not_before")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 75
    process.communicate()
    assert engine.server.stats()["requests"] == requests
