"""The late copy: a gateway gives up on a request that still reaches the API, after newer values of the same records."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.acceptance.engine_process import Engine, wait_until_it_says
from tests.acceptance.portfolios import Portfolio, portfolio, write_ndjson
from tests.gateways.nginx import Nginx
from tests.gateways.program import address_of
from tests.gateways.score import CHUNK, ended, running, through

MakeEngine = Callable[..., Engine]

LATE_COPY_S = 4.0

TWO_WAYS = """
upstream api {{
    server {slow} max_fails=1 fail_timeout=60s;
    server {direct} backup;
}}
"""
ONE_SECOND = "proxy_read_timeout 1s; proxy_next_upstream off;"
PATIENT = "proxy_ignore_client_abort on;"
"""What nginx has taken in, it hands on, whether or not anybody waits for the reply."""


def two_ways(home: Path, slow: Nginx, engine: Engine) -> Nginx:
    """Return nginx that gives up after a second, and goes another way from then on."""
    ways = TWO_WAYS.format(slow=address_of(slow.url), direct=address_of(engine.server.url))
    return Nginx(home, "http://api", http=ways, location=ONE_SECOND)


def two_versions() -> tuple[Portfolio, Portfolio]:
    """Return the older and the newer values of as many records as a chunk has."""
    older = portfolio(CHUNK)
    newer = {record_id: data | {"payment_status": "closed"} for record_id, data in older.items()}
    return older, newer


def test_a_copy_that_lands_after_newer_values_does_not_stay(make_engine: MakeEngine) -> None:
    engine = make_engine()
    older, newer = two_versions()
    with Nginx(engine.home, engine.server.url, location=PATIENT) as slow, two_ways(engine.home, slow, engine) as nginx:
        through(engine, nginx.url, late_copy_s=LATE_COPY_S)
        write_ndjson(engine.home / "loans.ndjson", [*older.items(), *newer.items()])
        slow.send(signal.SIGSTOP)  # it takes in what comes, and sends nothing on
        with running(engine, "sync", "--json") as process:
            engine.server.wait(applied=CHUNK)
            with suppress(TimeoutError):  # the newer values go out now, or are held back
                engine.server.wait(applied=2 * CHUNK, timeout_s=LATE_COPY_S / 4)
            slow.send(signal.SIGCONT)
            done = ended(process)
    assert done.exit_code == 0, done.err
    assert done.records == {"read": 2 * CHUNK, "updated": 2 * CHUNK}
    assert engine.server.state() == newer
    assert engine.server.stats()["applied"] >= 3 * CHUNK  # the late copy has landed
    ambiguous = done.report["ambiguous"]
    assert (ambiguous["attempts"], ambiguous["ids_unresolved"]) == (1, 0)


def test_a_run_that_is_killed_and_goes_on_minds_the_copies_of_its_first_process(make_engine: MakeEngine) -> None:
    engine = make_engine()
    older, newer = two_versions()
    with Nginx(engine.home, engine.server.url, location=PATIENT) as slow, two_ways(engine.home, slow, engine) as nginx:
        through(engine, nginx.url, late_copy_s=LATE_COPY_S)
        write_ndjson(engine.home / "loans.ndjson", [*older.items(), *newer.items()])
        slow.send(signal.SIGSTOP)
        with running(engine, "sync"):
            nginx.wait_for_status(504)
        with running(engine, "sync", "--json") as process:
            engine.server.wait(applied=CHUNK)
            with suppress(TimeoutError):
                engine.server.wait(applied=2 * CHUNK, timeout_s=LATE_COPY_S / 4)
            slow.send(signal.SIGCONT)
            done = ended(process)
    assert (done.exit_code, done.report["resumes"]) == (0, 1), done.err
    assert engine.server.stats()["applied"] >= 3 * CHUNK
    assert engine.server.state() == newer


def test_a_stop_while_newer_values_are_held_back_leaves_them_pending(make_engine: MakeEngine) -> None:
    engine = make_engine()
    older, newer = two_versions()
    with Nginx(engine.home, engine.server.url, location=PATIENT) as slow, two_ways(engine.home, slow, engine) as nginx:
        through(engine, nginx.url, late_copy_s=LATE_COPY_S)
        write_ndjson(engine.home / "loans.ndjson", [*older.items(), *newer.items()])
        slow.send(signal.SIGSTOP)
        with running(engine, "sync", "--json") as process:
            engine.server.wait(applied=CHUNK)
            process.terminate()
            stopped = ended(process)
        slow.send(signal.SIGCONT)
        done = engine.sync()
    assert stopped.exit_code == 75, stopped.err
    assert stopped.records == {"read": 2 * CHUNK, "updated": CHUNK, "pending": CHUNK}
    assert (done.exit_code, done.records) == (0, {"read": 2 * CHUNK, "updated": 2 * CHUNK}), done.err
    assert engine.server.stats()["applied"] == 3 * CHUNK
    assert engine.server.state() == newer


@pytest.mark.parametrize(
    ("options", "state"),
    [
        pytest.param(["--fresh"], {}, id="fresh"),
        pytest.param([], {"resume_within": "0s"}, id="another source"),
    ],
)
def test_newer_values_wait_for_the_copies_of_a_killed_run(
    options: list[str], state: dict[str, str], make_engine: MakeEngine
) -> None:
    engine = make_engine(hold="before-apply")
    older, newer = two_versions()
    with Nginx(engine.home, engine.server.url, location=PATIENT) as nginx:
        through(engine, nginx.url, batch_size=CHUNK // 4, late_copy_s=LATE_COPY_S)
        engine.configure(state=state)
        write_ndjson(engine.home / "loans.ndjson", older)
        with running(engine, "sync"):
            engine.server.wait(held=4, timeout_s=20)
        write_ndjson(engine.home / "loans.ndjson", newer)
        with running(engine, "sync", "--json", *options) as process:
            wait_until_it_says(process, b"until")
            assert engine.server.stats()["requests"] == 4
            engine.server.change(hold="nothing")
            engine.server.wait(applied=CHUNK)
            done = ended(process)
    assert done.exit_code == 0, done.err
    assert engine.server.stats()["applied"] == 2 * CHUNK
    assert engine.server.state() == newer


def test_the_same_run_goes_on_without_waiting_for_its_copies(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-apply")
    with Nginx(engine.home, engine.server.url, location=PATIENT) as nginx:
        loans = through(engine, nginx.url, late_copy_s=60.0)
        with running(engine, "sync"):
            engine.server.wait(held=4)
        engine.server.change(hold="nothing")
        done = engine.sync()
    assert (done.exit_code, done.report["resumes"]) == (0, 1), done.err
    assert done.report["duration_s"] < 60
    assert engine.server.state() == loans
