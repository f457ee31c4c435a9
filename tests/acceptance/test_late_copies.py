"""Late copies against the stand-in: a gateway gives up, the server works on, and newer values have the last word."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine, wait_until_it_says
from tests.acceptance.portfolios import Portfolio, portfolio, write_ndjson

pytestmark = pytest.mark.nights

MakeEngine = Callable[..., Engine]

CHUNK = 50
LATE_S = 1.5
LATE_COPY_S = LATE_S + 2.0
"""A stand-in that stalls for a second or two still lets the copy land in time."""


def two_versions() -> tuple[Portfolio, Portfolio]:
    older = portfolio(CHUNK)
    return older, {record_id: data | {"payment_status": "closed"} for record_id, data in older.items()}


def prepared(engine: Engine, **upload: Any) -> None:
    engine.configure(upload={"batch_size": CHUNK, "concurrency": 2, "late_copy_s": LATE_COPY_S} | upload)


@pytest.mark.parametrize("status", ["502", "504"])
def test_newer_values_of_the_same_source_win(status: str, make_engine: MakeEngine) -> None:
    engine = make_engine(fault=f"{status}-late:first=1", late_s=LATE_S)
    older, newer = two_versions()
    write_ndjson(engine.home / "loans.ndjson", [*older.items(), *newer.items()])
    prepared(engine)
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 2 * CHUNK, "updated": 2 * CHUNK})
    assert done.report["ambiguous"] == {"attempts": 1, "ids_sent_again": 0, "ids_unresolved": 0}
    assert engine.server.stats()["applied"] == 3 * CHUNK  # the copy has landed
    assert engine.server.state() == newer
    assert "the end of 1 is unknown" in engine.run("status", done.report["run_id"]).out


def test_whoever_shares_no_id_does_not_wait(make_engine: MakeEngine) -> None:
    engine = make_engine(fault="504-late:first=1", late_s=LATE_S)
    loans = portfolio(10 * CHUNK)
    write_ndjson(engine.home / "loans.ndjson", loans)
    prepared(engine, late_copy_s=3_600.0)
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 10 * CHUNK, "updated": 10 * CHUNK})
    assert engine.server.state() == loans


def test_what_time_runs_out_for_is_pending(make_engine: MakeEngine) -> None:
    engine = make_engine(fault="504-late:first=1", late_s=LATE_S)
    older, newer = two_versions()
    write_ndjson(engine.home / "loans.ndjson", [*older.items(), *newer.items()])
    prepared(engine, late_copy_s=3_600.0)
    process = engine.start("sync", "--json")
    engine.server.wait(applied=2 * CHUNK)  # the repeat, and the late copy
    process.send_signal(signal.SIGTERM)
    cut = engine.outcome(process)
    assert cut.exit_code == 75
    assert cut.report["ambiguous"]["ids_unresolved"] == CHUNK
    assert cut.records["pending"] == CHUNK
    engine.configure(upload={"late_copy_s": 0.0})
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 2 * CHUNK, "updated": 2 * CHUNK})
    assert engine.server.state() == newer


@pytest.mark.parametrize("fresh", [True, False])
def test_a_run_that_was_killed_with_requests_open_leaves_no_old_value(fresh: bool, make_engine: MakeEngine) -> None:
    engine = make_engine(fault="504-late", late_s=LATE_S)  # whatever is sent before the kill
    older, newer = two_versions()
    write_ndjson(engine.home / "loans.ndjson", older)
    prepared(engine)
    process = engine.start("sync")
    engine.server.wait(answered=1)
    process.kill()
    process.communicate()
    sent = engine.server.wait(answered=engine.server.stats()["requests"])["requests"]
    engine.server.change(fault=[])
    write_ndjson(engine.home / "loans.ndjson", newer)
    engine.configure(state={"resume_within": "6h" if fresh else "0s"})
    again = engine.start("sync", "--json", *(["--fresh"] if fresh else []))
    wait_until_it_says(again, b"waiting_for_late_copies")
    done = engine.outcome(again)
    seen = engine.server.requests()
    assert seen[sent]["at_s"] >= seen[sent - 1]["at_s"] + LATE_COPY_S
    assert (done.exit_code, done.records) == (0, {"read": CHUNK, "updated": CHUNK})
    assert engine.server.stats()["applied"] >= 2 * CHUNK
    assert engine.server.state() == newer
