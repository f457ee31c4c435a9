"""A job of a cluster without a cluster: begun, kept by tasks that may fail or come twice, sent as one run."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import engine
from engine.config import from_tables
from engine.report.report import Report, from_json
from engine.run.partitioned.gathering import LEFT_BEHIND_S, Gathering, begin_gathering
from engine.simulator.process import StandInProcess
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RecordCounts
from engine.values.errors import AccessRefused, ConfigError, SourceMissing, StateFailed, StateLocked
from tests.run.runs import NOWHERE
from tests.stand_in import stand_in

FAST: dict[str, Any] = {"requests_per_second": 500.0, "batch_size": 10, "concurrency": 4}


def arguments(server: StandInProcess, tmp_path: Path, **more: Any) -> dict[str, Any]:
    whom = {"url": server.url, "campaign_id": server.campaign_id, "state_dir": tmp_path / "state", "id": "id"}
    return {**whom, **FAST, **more}


def partition(number: int, count: int = 25, **columns: Any) -> pa.RecordBatch:
    ids = [f"p{number}_{row}" for row in range(count)]
    return pa.record_batch({"id": ids, "x": list(range(count)), **columns})


def begun(arguments: dict[str, Any], **more: Any) -> Gathering:
    """A job as its tasks get it."""
    copy = pickle.loads(pickle.dumps(begin_gathering(arguments, origin="the call", **more)))  # noqa: S301  (our own)
    assert isinstance(copy, Gathering)
    return copy


def reports(tmp_path: Path) -> list[Report]:
    found = sorted((tmp_path / "state" / "runs").glob("*/report.json"))
    return [from_json(path.read_bytes()) for path in found]


def test_partitions_become_one_run(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path, rename={"x": "emi"}), schema=partition(0).schema)
    with ProcessPoolExecutor(2, get_context("spawn")) as workers:
        parts = list(workers.map(job.keep, [[partition(n)] for n in range(4)], range(4)))
    report = job.send(parts[::-1])
    assert (report.exit_code, report.source) == (0, "4 partitions")
    assert report.records == RecordCounts(read=100, updated=100)
    held = server.state({f"p{number}_{row}" for number in range(4) for row in range(25)})
    assert held == {f"p{number}_{row}": {"emi": row} for number in range(4) for row in range(25)}
    assert [each.run_id for each in reports(tmp_path)] == [report.run_id]
    assert not (tmp_path / "state" / "parts").exists()


def test_an_attempt_that_comes_twice_counts_once(server: StandInProcess, tmp_path: Path) -> None:
    """A lost worker's attempt, and a speculative one, whichever of them is committed."""
    job = begun(arguments(server, tmp_path))
    lost, committed = job.keep([partition(1, 7)], 1), job.keep([partition(1, 7)], 1)
    assert lost.name != committed.name
    report = job.send([job.keep([partition(2, 7)], 2), committed])
    assert report.records == RecordCounts(read=14, updated=14)


def test_one_version_of_an_id_is_in_flight_whatever_partition_it_is_in(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path, batch_size=1, max_superseded="100%"))
    parts = [
        job.keep([pa.record_batch({"id": ["twin"] * 3, "x": [n * 10 + i for i in range(3)]})], n) for n in range(5)
    ]
    report = job.send(parts)
    assert report.exit_code == 0
    assert server.state({"twin"}) == {"twin": {"x": 42}}


def test_rows_that_are_no_records_are_told_by_partition_and_row(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path, where={"kind": ["a"]}))
    rows = pa.record_batch({"id": ["k1", None, "k3", "k4"], "x": [1.0, 1.0, float("inf"), 4.0], "kind": list("aaab")})
    report = job.send([job.keep([partition(0, 1, kind=["a"])], 0), job.keep([rows], 1)])
    assert (report.exit_code, report.records) == (3, RecordCounts(read=4, filtered=1, invalid=2, updated=2))
    rejects = (tmp_path / "state" / "runs" / report.run_id / "rejected.ndjson").read_text().splitlines()
    assert [json.loads(line)["source"] for line in rejects] == [
        {"path": "partition 1", "row": 2},
        {"path": "partition 1", "row": 3},
    ]


def test_a_job_that_failed_has_a_report_and_has_sent_nothing(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path))
    job.give_up([job.keep([partition(6)], 6), None, None])
    [report] = reports(tmp_path)
    assert (report.status, report.exit_code, report.records, report.requests.sent) == ("failed", 65, RecordCounts(), 0)
    assert report.message == ("a task of the job has failed, so nothing was sent; 1 of 3 partitions had been read")
    assert server.state({"p6_0"}) == {}
    assert not (tmp_path / "state" / "parts").exists()


def test_a_guard_that_counts_does_not_keep_a_failed_job_from_its_report(server: StandInProcess, tmp_path: Path) -> None:
    begun(arguments(server, tmp_path, min_records=5, max_shrink="50%")).give_up([None], "RuntimeError")
    assert [report.message for report in reports(tmp_path)] == [
        "a task of the job has failed, so nothing was sent; 0 of 1 partition had been read; RuntimeError"
    ]


def test_a_run_that_did_not_end_well_fails_the_job_and_is_told_once(tmp_path: Path, monkeypatch: Any) -> None:
    with stand_in() as server:
        monkeypatch.setenv("TIMEPAY_TOKEN", "another")
        job = begun(arguments(server, tmp_path))
        parts = [job.keep([partition(0)], 0)]
        with pytest.raises(AccessRefused, match=r"token_env or token_file \(exit code 77; the report is in .*/runs/"):
            job.send(parts)
        job.give_up(parts)  # as Spark does then
        assert [report.exit_code for report in reports(tmp_path)] == [77]


def test_without_rows_there_is_nothing_to_send(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path))
    with pytest.raises(SourceMissing, match="no record was given"):
        job.send([job.keep([partition(0, 0)], 0)])


def test_a_state_directory_that_is_not_shared_is_noticed_by_the_task(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path))
    elsewhere = Gathering(
        job.arguments, job.spec, job.batch_size, job.record_bytes_max, tmp_path / "of the worker", job.mark
    )
    with pytest.raises(StateFailed, match="this worker does not see what the driver has written there"):
        elsewhere.keep([partition(0)], 0)
    (tmp_path / "of the worker").mkdir()
    (tmp_path / "of the worker" / "mark").write_text("that of another job", encoding="ascii")
    with pytest.raises(StateFailed, match="state_dir must be one directory that the driver and all workers share"):
        elsewhere.keep([partition(0)], 0)


def test_what_a_task_has_kept_and_the_driver_does_not_see_is_told(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path))
    part = job.keep([partition(0)], 0)
    (job.directory / part.name).unlink()
    with pytest.raises(StateFailed, match="state_dir must be one directory"):
        job.send([part])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token": "canary"}, "- token: would be written into plans and logs; put it into a variable of the driver"),
        ({"delta": {"mode": "changed"}}, "- delta: is not for jobs of a cluster"),
        ({"id": None}, "- id: missing; name the column that holds the id"),
        ({"state_dir": None}, "- state_dir: missing; name a directory that the driver and all workers share"),
        ({"state_dir": 5}, "- state_dir: must be a path, not a whole number"),
        ({"campaign_id": None}, "- campaign_id: must be text, not None"),
        ({"batchsize": 5}, "- batchsize: there is no such argument; did you mean batch_size?"),
        ({"max_age": "20h"}, "- max_age: there is no file"),
        ({"token_env": "BULK_SYNC_NOWHERE"}, "BULK_SYNC_NOWHERE"),
        ({"fields": ["y"]}, r"records has no column 'y' \(fields\)"),
    ],
)
def test_mistakes_are_told_before_any_task_begins(
    server: StandInProcess, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        begin_gathering(arguments(server, tmp_path, **changes), origin="the call", schema=partition(0).schema)
    assert "canary" not in str(caught.value)
    assert "source." not in str(caught.value)
    assert not (tmp_path / "state" / "parts").exists()


def test_no_secret_goes_to_the_tasks(server: StandInProcess, tmp_path: Path) -> None:
    job = begin_gathering(arguments(server, tmp_path), origin="the call")
    assert server.token.encode() not in pickle.dumps(job)
    assert job.arguments["state_dir"] == str(tmp_path / "state")


def test_a_state_directory_in_use_is_told_first(server: StandInProcess, tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "state")
    try:
        with pytest.raises(StateLocked):
            begin_gathering(arguments(server, tmp_path), origin="the call")
    finally:
        journal.close()


def test_a_sync_that_waits_goes_first(server: StandInProcess, tmp_path: Path) -> None:
    (tmp_path / "loans.ndjson").write_text('{"id":"a","data":{"x":1}}\n', encoding="utf-8")
    tables = {
        "api": {"url": NOWHERE, "campaign_id": server.campaign_id},
        "source": {"path": str(tmp_path / "loans.ndjson")},
        "state": {"dir": str(tmp_path / "state")},
    }
    stop = engine.Stop()
    stop.request(engine.Interrupted("the job was cancelled"))
    report = asyncio.run(engine.sync(from_tables(tables), stop=stop))
    assert report.exit_code == 75
    with pytest.raises(ConfigError, match="waits to be continued"):
        begin_gathering(arguments(server, tmp_path), origin="the call")


def test_what_a_dead_job_has_left_is_deleted_once_it_is_old(server: StandInProcess, tmp_path: Path) -> None:
    old, young = begun(arguments(server, tmp_path)), begun(arguments(server, tmp_path))
    old.keep([partition(0)], 0)
    for path in (*old.directory.iterdir(), old.directory):
        os.utime(path, (path.stat().st_mtime - LEFT_BEHIND_S - 60,) * 2)
    last = begun(arguments(server, tmp_path))
    assert (old.directory.exists(), young.directory.exists(), last.directory.exists()) == (False, True, True)


def test_a_job_is_used_once(server: StandInProcess, tmp_path: Path) -> None:
    job = begun(arguments(server, tmp_path))
    part = job.keep([partition(0, 3)], 0)
    assert job.send([part]).exit_code == 0
    with pytest.raises(StateFailed, match="each write needs a sink of its own"):
        job.keep([partition(0, 3)], 0)
