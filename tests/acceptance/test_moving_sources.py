"""Sources that are still being written, that never end, that come in parts, or that were delivered before."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from tests.acceptance.engine_process import WAIT_S, Engine
from tests.acceptance.portfolios import NOTHING_HELD_BACK, portfolio, write_ndjson
from tests.stand_in import let_through

MakeEngine = Callable[..., Engine]

ENDLESS_BYTES = 1 << 40
"""So large is a file, most of it a hole, that nobody reads or hashes it to its end within a test."""

ON_ONE_CPU = {"preexec_fn": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})}
"""Where there is one, no second process reads."""


def endless(engine: Engine) -> None:
    """Give the engine some records, and far more bytes behind them."""
    path = engine.home / "loans.ndjson"
    write_ndjson(path, portfolio(20_000))
    os.truncate(path, ENDLESS_BYTES)
    engine.configure(upload={"batch_size": 100, "concurrency": 2}, guard=NOTHING_HELD_BACK)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"id":"late","data":{"x":1}}\n')


@pytest.mark.parametrize("options", [{}, ON_ONE_CPU], ids=["reader process", "thread"])
def test_results_are_durable_and_a_signal_is_heard_long_before_all_was_read(
    make_engine: MakeEngine, options: dict[str, object]
) -> None:
    engine = make_engine()
    endless(engine)
    process = engine.start("sync", "--json", **options)
    engine.server.wait(applied=5_000)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=WAIT_S)
    assert (process.returncode, b'"status": "interrupted"' in out) == (75, True)
    assert engine.run("status", "--json").exit_code == 0
    assert engine.server.stats()["applied"] >= 5_000


def test_a_refused_access_ends_the_run_long_before_all_was_read(make_engine: MakeEngine) -> None:
    engine = make_engine(fault="402:after=5")
    endless(engine)
    done = engine.sync()
    assert done.exit_code == 77
    assert done.records["updated"] > 0


def test_a_signal_is_heard_while_the_source_is_counted_first(make_engine: MakeEngine) -> None:
    engine = make_engine()
    endless(engine)
    engine.configure(guard={"min_records": 1})
    process = engine.start("sync", **ON_ONE_CPU)
    fds = Path(f"/proc/{process.pid}/fd")
    while not any(os.path.basename(_target(fd)) == "loans.ndjson" for fd in fds.iterdir()):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 75
    process.communicate()
    assert engine.server.stats()["requests"] == 0


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed meanwhile
        return ""


def test_a_source_that_grows_while_it_is_read_is_never_complete(make_engine: MakeEngine) -> None:
    engine, loans = make_engine(hold="before-reply"), portfolio(30_000)
    path = engine.home / "loans.ndjson"
    write_ndjson(path, loans)
    engine.configure(upload={"batch_size": 100, "concurrency": 2}, guard=NOTHING_HELD_BACK)
    process = engine.start("sync", "--json")
    engine.server.wait(held=2)
    grow(path)
    engine.server.change(hold="nothing")
    engine.server.release()
    out, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 65
    assert b"loans.ndjson grew from" in out
    assert b"when it is complete, run the same command again, with --fresh" in out
    resumed = engine.sync()
    assert (resumed.exit_code, "loans.ndjson grew from" in resumed.err) == (65, True)
    done = engine.sync("--fresh")
    assert (done.exit_code, done.records) == (0, {"read": 30_001, "updated": 30_001})


def test_mistakes_in_any_file_show_before_anything_is_sent(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (engine.home / "part-1.csv").write_bytes(b"loan_id,x\n" + b"".join(b"LN%d,1\n" % number for number in range(1_000)))
    (engine.home / "part-2.csv").write_bytes(b"LN9001,2\nLN9002,3\n")
    engine.configure(source={"path": "part-*.csv", "id": "loan_id"}, upload={"batch_size": 10})
    refused = engine.sync()
    assert (refused.exit_code, "part-2.csv has no column 'loan_id'" in refused.out) == (2, True)
    assert engine.server.stats()["requests"] == 0
    (engine.home / "part-2.csv").write_bytes(b"")
    done = engine.sync()
    assert (done.exit_code, done.records) == (0, {"read": 1_000, "updated": 1_000})
    assert done.report["doubts"] == ["part-2.csv is empty: it holds no record"]


def test_a_directory_of_parts_is_one_source_with_the_keys_in_its_names(make_engine: MakeEngine) -> None:
    engine = make_engine()
    for state in ("KA", "MH"):
        folder = engine.home / "out.parquet" / f"state={state}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"loan_id": [f"LN-{state}"], "x": [1]}), folder / "part-0.snappy.parquet")
        (folder / ".part-0.snappy.parquet.crc").write_bytes(b"crc")
    (engine.home / "out.parquet" / "_SUCCESS").touch()
    engine.configure(source={"path": "out.parquet", "id": "loan_id"})
    assert engine.sync().exit_code == 0
    assert engine.server.state() == {f"LN-{state}": {"x": 1, "state": state} for state in ("KA", "MH")}


def test_gates_of_a_source(make_engine: MakeEngine) -> None:
    engine = make_engine()
    path = engine.home / "loans.ndjson"
    write_ndjson(path, portfolio(3))
    engine.configure(source={"done_marker": "_DONE"}, guard={"max_age": "20h"})
    for command in (("sync",), ("sync", "--dry-run"), ("check",)):
        refused = engine.run(*command)
        assert (refused.exit_code, "_DONE (source.done_marker) does not exist" in refused.out + refused.err) == (
            66,
            True,
        )
    (engine.home / "_DONE").touch()
    os.utime(path, (0, 0))
    for command in (("sync",), ("check",)):
        refused = engine.run(*command)
        assert (refused.exit_code, "guard.max_age" in refused.out + refused.err) == (65, True)
    assert engine.server.stats()["requests"] == 0
    os.utime(path)
    assert engine.sync().exit_code == 0
    again = engine.sync()
    assert (again.exit_code, "is it an old export again?" in again.report["doubts"][0]) == (0, True)


def test_an_edit_of_what_was_not_read_yet_is_noticed_after_a_kill(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply")
    path = engine.home / "loans.ndjson"
    write_ndjson(path, portfolio(40_000))
    engine.configure(upload={"batch_size": 100, "concurrency": 2}, guard=NOTHING_HELD_BACK)
    process = engine.start("sync", "--json")
    let_through(engine.server, 5)
    process.kill()
    process.communicate(timeout=WAIT_S)
    engine.server.change(hold="nothing")
    content = path.read_bytes()
    path.write_bytes(content[:-20] + content[-20:].swapcase())
    requests = engine.server.stats()["requests"]
    refused = engine.sync()
    assert refused.exit_code == 65
    assert "loans.ndjson has the same size, but different content" in refused.err + refused.out
    checked = engine.run("check")
    assert checked.exit_code == 65
    assert "loans.ndjson has the same size, but different content" in checked.out
    assert engine.server.stats()["requests"] == requests
