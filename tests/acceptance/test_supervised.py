"""The real engine under supervisors: deadline, notify socket, supervisord."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from engine.commands.service.command import facts_of
from engine.commands.service.units import render
from engine.settings.loading import load
from tests.acceptance.engine_process import WAIT_S, Engine
from tests.acceptance.listeners import Supervisor
from tests.acceptance.portfolios import portfolio, write_ndjson
from tests.commands.service.test_units import Supervisord

MakeEngine = Callable[..., Engine]


def deadline_in_s(engine: Engine) -> float:
    """Return how far off a deadline is that leaves time to start and to see the pace, on a machine as fast as this."""
    started = time.monotonic()
    assert engine.run("check").exit_code == 0
    return max(10.0, 10 * (time.monotonic() - started))


def test_a_deadline_is_foreseen_and_kept_and_the_rest_resumed(make_engine: MakeEngine) -> None:
    engine, loans = make_engine(), portfolio(400)
    write_ndjson(engine.home / "loans.ndjson", loans)
    engine.configure()
    left_s = deadline_in_s(engine)
    slow = {"batch_size": 10, "concurrency": 1, "requests_per_second": 20 / left_s}  # half of 40 chunks
    at = datetime.now().astimezone() + timedelta(seconds=left_s)
    engine.configure(upload={**slow, "deadline": f"{at:%H:%M:%S}"})
    stopped = engine.sync()
    assert (stopped.exit_code, stopped.report["status"]) == (75, "interrupted")
    assert "the deadline" in stopped.report["message"]
    assert 0 < stopped.records["pending"] < 400
    assert stopped.report["requests"]["sent"] <= 25  # 20 until then, and a burst where it stalled
    events = [json.loads(line) for line in stopped.err.splitlines()]
    warnings = [event for event in events if event["event"] == "deadline_at_risk"]
    assert [event["level"] for event in warnings] == ["warning"]
    assert "after its deadline" in warnings[0]["message"]
    engine.tables["upload"] |= {"requests_per_second": 500.0}
    del engine.tables["upload"]["deadline"]
    engine.configure()
    done = engine.sync()
    assert (done.exit_code, done.records, done.report["resumes"]) == (0, {"read": 400, "updated": 400}, 1)
    assert engine.server.stats()["repeated"] == 0
    assert engine.server.state() == loans


def supervised(engine: Engine, listener: Supervisor) -> None:
    write_ndjson(engine.home / "loans.ndjson", portfolio(60))
    engine.configure(upload={"batch_size": 10, "concurrency": 2})
    engine.env |= {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "2000000"}


def test_signs_of_life_stop_when_nothing_comes_back(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply")
    with Supervisor(engine.home / "notify") as listener:
        supervised(engine, listener)
        process = engine.start("sync")
        listener.wait_for("READY=1")
        assert listener.heard == ["READY=1"]
        engine.server.wait(held=2)
        listener.read_rest()
        listener.wait_for("STATUS=")
        listener.wait_for("STATUS=")  # by now it has told of all that had come before the requests were held
        listener.heard.clear()
        status = listener.wait_for("STATUS=")  # two seconds later: several times as long as between signs of life
        assert listener.heard == [status]
        assert "2 of 2 in flight" in status
        engine.server.change(hold="nothing")
        engine.server.release()
        listener.wait_for("WATCHDOG=1")
        listener.wait_for("STOPPING=1")
        assert process.wait(WAIT_S) == 0
        process.communicate()
        listener.read_rest()
        assert listener.heard[-1].startswith("STATUS=finishing: 100%, 60 records")


def test_a_declared_wait_is_a_sign_of_life(make_engine: MakeEngine) -> None:
    engine = make_engine(rate=0.01, retry_after="60")
    with Supervisor(engine.home / "notify") as listener:
        supervised(engine, listener)
        engine.configure(upload={"concurrency": 1})
        process = engine.start("sync")
        while "waiting: the API asked for silence" not in listener.wait_for("STATUS="):
            pass
        answered = engine.server.stats()["requests"]
        listener.wait_for("WATCHDOG=1")
        listener.wait_for("WATCHDOG=1")
        assert engine.server.stats()["requests"] == answered  # nothing else happened
        process.terminate()
        listener.wait_for("STOPPING=1")
        assert process.wait(WAIT_S) == 75
        process.communicate()


def test_a_real_supervisord_brings_a_real_night_to_its_end(make_engine: MakeEngine) -> None:
    engine, loans = make_engine(fault=["503:first=1"], reject=["loan_000005"]), portfolio(30)
    write_ndjson(engine.home / "loans.ndjson", loans)
    (engine.home / "token").write_text(engine.server.token, encoding="utf-8")
    engine.configure(
        api={"token_file": str(engine.home / "token")},
        source={"path": str(engine.home / "loans.ndjson")},
        state={"dir": str(engine.home / "engine-state")},
        upload={"batch_size": 10, "concurrency": 1, "retry_window_s": 0.0},
    )
    config = engine.home / "config.toml"
    facts = facts_of(load(config, environ={}), config=config, name="bulk-sync", start_at="02:00")
    server = Supervisord(engine.home, render("supervisord", facts)["bulk-sync.conf"])
    try:
        server.control("start", "bulk-sync")
        assert "exit status 75; not expected" in server.wait_for("exited: bulk-sync")
        assert "exit status 3; expected" in server.wait_for("exited: bulk-sync")
        assert "EXITED" in server.control("status", "bulk-sync")
    finally:
        server.close()
    runs = json.loads(engine.run("status", "--json").out)["runs"]
    assert [(run["status"], run["resumes"], run["records"]["updated"]) for run in runs] == [("partial", 1, 29)]
