"""supervisord with the unit that `service` prints: what it starts again, how often, and how it stops a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.engine_process import Engine
from tests.commands.service.test_units import Supervisord
from tests.gateways.score import CHUNK, report_of, through

MakeEngine = Callable[..., Engine]

WATCHED_S = 30.0


@contextmanager
def supervised(engine: Engine) -> Iterator[Supervisord]:
    """Start the sync under supervisord, by the unit that the engine prints."""
    (engine.home / "token").write_text(engine.server.token, encoding="utf-8")
    engine.configure(
        api={"token_file": str(engine.home / "token")},
        source={"path": str(engine.home / "loans.ndjson")},
        state={"dir": str(engine.home / "engine-state")},
    )
    printed = engine.run("service", "supervisord", "-c", str(engine.home / "config.toml"))
    assert printed.exit_code == 0, printed.err
    server = Supervisord(engine.home, printed.out)
    try:
        server.control("start", "bulk-sync")
        yield server
    finally:
        server.close()


def test_a_wait_of_an_hour_is_not_hammered_on(make_engine: MakeEngine) -> None:
    engine = make_engine(rate=0.001, burst=1, retry_after="3600")
    through(engine, engine.server.url, concurrency=1)
    with supervised(engine) as server:
        assert "exit status 75; not expected" in server.wait_for("exited: bulk-sync")
        with pytest.raises(TimeoutError):
            engine.server.wait(requests=3, timeout_s=WATCHED_S)
        later = server.close()
    assert later.count("spawned: 'bulk-sync'") <= 2  # the second waits out its pause before it starts the engine
    report = report_of(engine.home)
    assert (report["exit_code"], report["records"]["updated"]) == (75, CHUNK)
    assert "waits 0 s" not in report["message"]


def test_a_stop_in_mid_run_is_75_and_a_start_goes_on_to_the_end(make_engine: MakeEngine) -> None:
    engine = make_engine(latency_ms=200)
    loans = through(engine, engine.server.url, requests_per_second=20.0)
    with supervised(engine) as server:
        engine.server.wait(answered=6)
        assert "stopped" in server.control("stop", "bulk-sync")
        assert "exit status 75" in server.wait_for("stopped: bulk-sync")
        stopped = report_of(engine.home)
        server.control("start", "bulk-sync")
        assert "exit status 0; expected" in server.wait_for("exited: bulk-sync")
        assert "EXITED" in server.control("status", "bulk-sync")
        later = server.close()
    assert "spawned" not in later
    report = report_of(engine.home)
    assert 0 < stopped["records"]["updated"] < len(loans)
    assert (report["resumes"], report["records"]["updated"]) == (1, len(loans))
    assert engine.server.stats()["repeated"] == 0  # what was in flight was waited for
    assert engine.server.state() == loans
