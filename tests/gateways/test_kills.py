"""Killed behind a gateway, and started again: on the same portfolio, or afresh on a newer one."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.engine_process import Engine
from tests.acceptance.portfolios import write_ndjson
from tests.gateways.nginx import Nginx
from tests.gateways.score import CHUNK, RECORDS, assert_delivered, killed_in_mid_run, through

MakeEngine = Callable[..., Engine]

IN_FLIGHT = 4


def kill_in_mid_run(engine: Engine) -> None:
    with killed_in_mid_run(engine):
        pass


def test_a_killed_run_goes_on_behind_the_gateway(make_engine: MakeEngine) -> None:
    engine = make_engine()
    with Nginx(engine.home, engine.server.url) as nginx:
        loans = through(engine, nginx.url)
        for _ in range(2):
            kill_in_mid_run(engine)
        done = engine.sync()
    assert_delivered(engine, done, loans)
    assert done.report["resumes"] > 0
    assert engine.server.stats()["repeated"] <= 2 * IN_FLIGHT * CHUNK


def test_a_fresh_run_on_newer_values_after_a_kill_ends_with_them(make_engine: MakeEngine) -> None:
    engine = make_engine()
    with Nginx(engine.home, engine.server.url) as nginx:
        loans = through(engine, nginx.url, late_copy_s=3.0)
        kill_in_mid_run(engine)
        newer = {record_id: data | {"payment_status": "closed"} for record_id, data in loans.items()}
        write_ndjson(engine.home / "loans.ndjson", newer)
        changed = engine.sync()
        assert changed.exit_code == 65, changed.err  # the portfolio is another one, and the run is young
        done = engine.sync("--fresh")
    assert_delivered(engine, done, newer)
    assert (done.report["resumes"], done.records["read"]) == (0, RECORDS)
