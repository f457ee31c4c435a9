"""What is right after a run through a gateway, judged by what the server holds and what the gateway has seen."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.simulator.process import StandInProcess
from tests.acceptance.engine_process import WAIT_S, Engine, Outcome
from tests.acceptance.portfolios import Portfolio, portfolio, write_ndjson
from tests.gateways.program import wait_until
from tests.stand_in import let_through

RECORDS = 3_000
CHUNK = 100
CHUNKS = RECORDS // CHUNK


def through(engine: Engine, url: str, *, records: int = RECORDS, **upload: Any) -> Portfolio:
    """Configure the engine to send a portfolio in small chunks to this base of the API; return the portfolio."""
    loans = portfolio(records)
    write_ndjson(engine.home / "loans.ndjson", loans)
    engine.configure(api={"url": url}, upload={"batch_size": CHUNK, "concurrency": 4} | upload)
    return loans


def assert_delivered(engine: Engine, done: Outcome, loans: Portfolio) -> None:
    """The run is over, the sums are the portfolio's, and the server holds the latest values of each record."""
    assert (done.exit_code, done.records) == (0, {"read": len(loans), "updated": len(loans)}), done.err
    assert engine.server.state() == loans
    assert engine.server.stats()["overlaps"] == 0


def assert_refused(engine: Engine, done: Outcome, *words: str) -> str:
    """The run stopped for access at once, with one line that has these words, and no record was blamed."""
    report = done.report
    assert (done.exit_code, report["status"]) == (77, "failed"), done.err
    assert report["records"]["rejected"] == report["records"]["unknown"] == report["records"]["updated"] == 0
    assert report["requests"]["sent"] <= 20
    message: str = report["message"]
    assert "\n" not in message
    assert not [word for word in words if word not in message], message
    assert engine.server.state() == {}
    return message


def report_of(home: Path) -> dict[str, Any]:
    """Return the report of the latest run."""
    latest = max((home / "engine-state" / "runs").iterdir())
    report: dict[str, Any] = json.loads((latest / "report.json").read_bytes())
    return report


@contextmanager
def running(engine: Engine, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command and leave it running until the end of the `with` block, at most."""
    process = engine.start(*args)
    try:
        yield process
    finally:
        process.kill()
        _, err = process.communicate()
        print(err.decode())  # for the reader of a test that has failed


@contextmanager
def killed_in_mid_run(engine: Engine, *, answered: int = 10) -> Iterator[None]:
    """Let so many requests of a sync be answered, and kill it at the end of the `with` block: it cannot have ended."""
    engine.server.change(hold="before-reply")
    with running(engine, "sync"):
        let_through(engine.server, answered)
        yield
    engine.server.change(hold="nothing")


def away(server: StandInProcess, for_s: float = 2.0) -> None:
    """Have the API gone for a while, and what it holds with it; afterwards it holds nothing any more."""
    server.refuse(for_s)
    wait_until(lambda: _holds_nothing(server))


def _holds_nothing(server: StandInProcess) -> bool:
    try:
        server.change(hold="nothing")
    except OSError:  # it is not back
        return False
    return True


def ended(process: subprocess.Popen[bytes]) -> Outcome:
    """Wait for the end of a command that was left running."""
    out, err = process.communicate(timeout=WAIT_S)
    return Outcome(process.returncode, out.decode(), err.decode())
