"""Sources that a second process reads: the same promises, and no process left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine.reading.spawned import PAYS_FROM_BYTES
from tests.acceptance.engine_process import WAIT_S, Engine, wait_until_it_says
from tests.acceptance.portfolios import NOTHING_HELD_BACK, Portfolio, portfolio, write_ndjson
from tests.processes import is_running, needs_a_reader, readers_of

MakeEngine = Callable[..., Engine]

WORKERS = 2
RECORDS = 400


@pytest.fixture
def large() -> Portfolio:
    """Few records that are many bytes."""
    note = "x" * (PAYS_FROM_BYTES // RECORDS)
    return {record_id: {**data, "note": note} for record_id, data in portfolio(RECORDS).items()}


def configure(engine: Engine, loans: Portfolio) -> None:
    write_ndjson(engine.home / "loans.ndjson", loans)
    engine.configure(upload={"batch_size": 10, "concurrency": WORKERS}, guard=NOTHING_HELD_BACK)


def test_every_record_arrives(make_engine: MakeEngine, large: Portfolio) -> None:
    engine = make_engine()
    configure(engine, large)
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": RECORDS, "updated": RECORDS})
    assert engine.server.state() == large


@needs_a_reader
def test_the_process_that_reads_knows_no_token(make_engine: MakeEngine, large: Portfolio) -> None:
    engine = make_engine(hold="before-reply")
    configure(engine, large)
    engine.env = {"ENGINE_NOTIFY__COMMAND": '["true", "s3cret"]'}
    process = engine.start("sync", "--json")
    engine.server.wait(held=WORKERS)
    [reader] = readers_of(process.pid)
    for secret in (engine.server.token.encode(), b"s3cret"):
        assert secret in Path(f"/proc/{process.pid}/environ").read_bytes()
        assert secret not in Path(f"/proc/{reader}/environ").read_bytes()
    engine.server.change(hold="nothing")
    engine.server.release()
    process.communicate(timeout=WAIT_S)
    assert process.returncode == 0


@needs_a_reader
@pytest.mark.parametrize("who", ["engine", "reader"])
def test_kill_9_and_the_same_command_again(who: str, make_engine: MakeEngine, large: Portfolio) -> None:
    engine = make_engine(hold="before-reply")
    configure(engine, large)
    process = engine.start("sync", "--json")
    engine.server.wait(held=WORKERS)
    [reader] = readers_of(process.pid)
    os.kill(process.pid if who == "engine" else reader, signal.SIGKILL)
    engine.server.change(hold="nothing")
    engine.server.release()
    out, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == (-signal.SIGKILL if who == "engine" else 75)
    assert (b"the process that reads the source has died" in out) == (who == "reader")
    while is_running(reader):  # it notices by its pipe
        os.sched_yield()
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": RECORDS, "updated": RECORDS})
    assert engine.server.state() == large


@needs_a_reader
def test_a_signal_lets_what_is_in_flight_finish(make_engine: MakeEngine, large: Portfolio) -> None:
    engine = make_engine(hold="before-reply")
    configure(engine, large)
    process = engine.start("sync", "--json", start_new_session=True)
    engine.server.wait(held=WORKERS)
    [reader] = readers_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a Ctrl-C in a terminal
    wait_until_it_says(process, b'"stopping"')
    engine.server.change(hold="nothing")
    engine.server.release()
    out, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75
    assert b'"status": "interrupted"' in out
    assert not is_running(reader)
    assert engine.server.stats()["requests"] == WORKERS
    assert engine.sync().records == {"read": RECORDS, "updated": RECORDS}


@needs_a_reader
def test_one_process_reads_and_none_is_left_where_no_run_begins(make_engine: MakeEngine, large: Portfolio) -> None:
    """It is started before the settings are known."""
    engine = make_engine(hold="before-reply")
    configure(engine, large)
    process = engine.start("sync", "--json")
    engine.server.wait(held=WORKERS)
    [reader] = readers_of(process.pid)
    assert [int(found.name) for found in readers_in(engine.home)] == [reader]
    locked = engine.sync()
    assert locked.exit_code == 69
    engine.server.change(hold="nothing")
    engine.server.release()
    process.communicate(timeout=WAIT_S)
    assert (process.returncode, is_running(reader)) == (0, False)
    engine.configure(upload={"batch_size": 0})
    assert engine.sync().exit_code == 2
    assert not readers_in(engine.home)


def readers_in(directory: Path) -> list[Path]:
    """Return the processes that read, and whose working directory this is, whoever has started them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            is_reader = b"engine.reading" in (process / "cmdline").read_bytes()
            found += [process] if is_reader and (process / "cwd").resolve() == directory.resolve() else []
    return found
