"""Killed, stopped, started twice, or resumed on another source: what the state directory promises."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.acceptance.engine_process import WAIT_S, Engine, wait_until_it_says
from tests.acceptance.portfolios import portfolio, write_ndjson
from tests.stand_in import let_through

MakeEngine = Callable[..., Engine]

WORKERS = 4
KILLS, CHUNKS = 25, 150


def small_chunks(engine: Engine, records: int = 400) -> dict[str, dict[str, object]]:
    """Configure chunks of ten records, and return the portfolio."""
    loans = portfolio(records)
    write_ndjson(engine.home / "loans.ndjson", loans)
    engine.configure(upload={"batch_size": 10, "concurrency": WORKERS})
    return loans


def test_kill_9_and_the_same_command_again(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply")
    loans = small_chunks(engine)
    process = engine.start("sync", "--json")
    let_through(engine.server, 10)
    process.kill()
    process.communicate()
    engine.server.change(hold="nothing")
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 400, "updated": 400})
    assert done.report["resumes"] == 1
    assert engine.server.state() == loans
    assert engine.server.stats()["repeated"] <= WORKERS * 10


@pytest.mark.nights
def test_twenty_five_kills_in_one_sync(make_engine: MakeEngine) -> None:
    seed = random.randrange(1 << 30)
    dice, engine = random.Random(seed), make_engine(hold="before-reply")
    loans = small_chunks(engine, 10 * CHUNKS)
    for _ in range(KILLS):
        process = engine.start("sync", "--json")
        let_through(engine.server, dice.randrange(CHUNKS // KILLS))
        process.kill()
        process.communicate()
    engine.server.change(hold="nothing")
    done = engine.sync()
    assert (done.exit_code, done.records["updated"]) == (0, 10 * CHUNKS), seed
    assert done.report["resumes"] > 0
    assert len(list((engine.home / "engine-state" / "runs").iterdir())) == 1, seed
    assert engine.server.state() == loans, seed
    assert engine.server.stats()["repeated"] <= KILLS * WORKERS * 10, seed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_finish(number: signal.Signals, make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply")
    loans = small_chunks(engine)
    process = engine.start("sync", "--json")
    engine.server.wait(held=WORKERS)
    process.send_signal(number)
    wait_until_it_says(process, b'"stopping"')
    engine.server.change(hold="nothing")
    engine.server.release()
    out, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75
    assert b'"status": "interrupted"' in out
    assert engine.server.stats()["requests"] == WORKERS
    assert engine.sync().records == {"read": 400, "updated": 400}
    assert engine.server.stats()["repeated"] == 0
    assert engine.server.state() == loans


def test_a_second_signal_leaves_at_once(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply")
    small_chunks(engine)
    process = engine.start("sync")
    engine.server.wait(held=WORKERS)
    process.send_signal(signal.SIGTERM)
    wait_until_it_says(process, b'"stopping"')
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75
    assert b"Leaving at once (SIGTERM); run the same command again to resume." in err


@pytest.mark.parametrize(
    ("form", "head", "row", "whole_blocks"),
    [("ndjson", "", '{"id":"%d","x":"%0100d"}\n', 25_000), ("csv", "id,x\n", "%d,%0100d\n", 19_000)],
    ids=["ndjson", "csv"],
)
def test_a_signal_ends_the_wait_for_more_standard_input(
    form: str, head: str, row: str, whole_blocks: int, make_engine: MakeEngine
) -> None:
    engine = make_engine()
    engine.configure(source={"path": "-", "format": form, "id": "id"}, upload={"batch_size": 1_000})
    with engine.start("sync", "--json", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write((head + "".join(row % (number, number) for number in range(30_000))).encode())
        process.stdin.flush()  # and not closed: more could come at any time
        engine.server.wait(applied=whole_blocks)  # the rest fills no block, so the reader waits for more
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 75
        assert b'"status": "interrupted"' in process.stdout.read()


def test_a_second_run_leaves_with_69_and_sends_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply")
    small_chunks(engine)
    first = engine.start("sync")
    engine.server.wait(held=WORKERS)
    assert engine.run("sync").exit_code == 69
    assert engine.server.stats()["requests"] == WORKERS
    first.kill()
    first.communicate()
    engine.server.change(hold="nothing")
    engine.server.release()
    assert engine.sync().exit_code == 0  # the lock went with its process


@pytest.mark.parametrize("keep_the_times", [True, False])
def test_a_source_that_changed_is_refused_until_fresh(keep_the_times: bool, make_engine: MakeEngine) -> None:
    engine = make_engine()
    loans = small_chunks(engine)
    interrupt(engine)
    path = engine.home / "loans.ndjson"
    times = path.stat()
    loans["loan_000399"]["payment_status"] = "xxxx"
    write_ndjson(path, loans)
    if keep_the_times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    refused = engine.sync()
    assert (refused.exit_code, "loans.ndjson" in refused.err, "--fresh" in refused.err) == (65, True, True)
    done = engine.sync("--fresh")
    assert (done.exit_code, done.report["resumes"]) == (0, 0)
    assert engine.server.state() == loans


def test_a_source_that_was_only_touched_is_resumed(make_engine: MakeEngine) -> None:
    engine = make_engine()
    small_chunks(engine)
    interrupt(engine)
    os.utime(engine.home / "loans.ndjson")
    assert engine.sync().report["resumes"] == 1


def test_other_settings_are_refused_by_name(make_engine: MakeEngine) -> None:
    engine = make_engine()
    small_chunks(engine)
    interrupt(engine)
    engine.configure(upload={"batch_size": 20})
    refused = engine.sync()
    assert (refused.exit_code, "upload.batch_size" in refused.err) == (65, True)


def interrupt(engine: Engine) -> None:
    """Let some chunks become durable, then stop the run."""
    engine.server.change(hold="before-reply")
    process = engine.start("sync")
    engine.server.wait(held=WORKERS)
    engine.server.release()
    engine.server.wait(held=WORKERS)
    process.kill()
    process.communicate()
    engine.server.change(hold="nothing")
    engine.server.release()
