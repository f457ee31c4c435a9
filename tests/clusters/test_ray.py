"""`engine.ray` in a real Ray: tasks that fail, workers that are killed, servers that throttle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import engine
from engine.simulator.process import StandInProcess
from tests.clusters.conftest import TOKEN, once, reports, sums, target

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
pytest.importorskip("ray.data", reason="Ray Data is not installed: pip install -e '.[ray]'")

from engine.ray import BulkSyncSink  # noqa: E402  (after what tells whether there is a Ray)

LOANS = 20_000
BLOCKS = 16

MakeServer = Callable[..., StandInProcess]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on this machine, with two workers."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def loans(count: int = LOANS, blocks: int = BLOCKS) -> Any:
    def columns(batch: pa.Table) -> pa.Table:
        numbers = batch["id"].to_pylist()
        return pa.table({"loan_id": [f"loan_{n}" for n in numbers], "emi": [n / 4 for n in numbers], "n": numbers})

    return ray.data.range(count, override_num_blocks=blocks).map_batches(columns, batch_format="pyarrow")


def expected(count: int = LOANS) -> dict[str, dict[str, Any]]:
    return {f"loan_{number}": {"emi": number / 4, "n": number} for number in range(count)}


def sink(server: StandInProcess, tmp_path: Path, **arguments: Any) -> BulkSyncSink:
    return BulkSyncSink(**target(server, tmp_path) | arguments)


def test_a_dataset_becomes_one_run(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    to = sink(server, tmp_path, rename={"n": "number"}, exclude=["emi"])
    loans().write_datasink(to)
    [report] = reports(tmp_path)
    assert to.report is not None
    assert (to.report.run_id, to.report.status) == (report["run_id"], "succeeded")
    assert sums(report) == {"read": LOANS, "updated": LOANS}
    assert server.state() == {f"loan_{number}": {"number": number} for number in range(LOANS)}


def failing(marker: str, how: str) -> Callable[[pa.Table], pa.Table]:
    def passed(batch: pa.Table) -> pa.Table:
        if 777 in batch["n"].to_pylist() and (how == "always" or once(Path(marker))):
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("this task fails")
        return batch

    return passed


def test_a_worker_that_is_killed_is_made_up_for(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    frame = loans().map_batches(failing(str(tmp_path / "marker"), "kill"), batch_format="pyarrow")
    frame.write_datasink(sink(server, tmp_path))
    assert (tmp_path / "marker").exists()
    [report] = reports(tmp_path)
    assert sums(report) == {"read": LOANS, "updated": LOANS}
    assert server.state() == expected()
    assert server.stats()["repeated"] == 0


def test_a_task_that_fails_for_good_fails_the_job_and_nothing_is_sent(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    frame = loans().map_batches(failing(str(tmp_path / "marker"), "always"), batch_format="pyarrow")
    with pytest.raises(Exception, match="this task fails"):
        frame.write_datasink(sink(server, tmp_path))
    [report] = reports(tmp_path)
    assert (report["status"], report["exit_code"], report["requests"]["sent"]) == ("failed", 65, 0)
    assert report["message"].startswith("a task of the job has failed, so nothing was sent")
    assert server.state() == {}


def test_a_poison_record_costs_itself_alone(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(poison="loan_777")
    to = sink(server, tmp_path)
    loans().write_datasink(to)
    assert to.report is not None
    assert (to.report.exit_code, to.report.records.read, to.report.records.updated) == (3, LOANS, LOANS - 1)
    rejects = tmp_path / "state" / "runs" / to.report.run_id / "rejected.ndjson"
    assert [json.loads(line)["id"] for line in rejects.read_text().splitlines()] == ["loan_777"]


def test_a_throttling_server_is_respected(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(rate=40)
    loans().write_datasink(sink(server, tmp_path))
    [report] = reports(tmp_path)
    assert report["requests"]["throttled"] > 0
    assert server.state() == expected()


async def test_it_can_be_written_from_a_running_loop(make_server: MakeServer, tmp_path: Path) -> None:
    """As in a notebook."""
    server = await asyncio.to_thread(make_server)
    loans(100, 2).write_datasink(sink(server, tmp_path))
    assert await asyncio.to_thread(server.state) == expected(100)


def test_a_refused_token_fails_the_job_and_is_reported_once(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    with pytest.raises(engine.AccessRefused, match=r"\(exit code 77; the report is in "):
        loans(100, 2).write_datasink(sink(server, tmp_path, token_env="BULK_SYNC_WRONG_TOKEN"))
    assert [report["exit_code"] for report in reports(tmp_path)] == [77]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"token": TOKEN}, "- token: would be written into plans and logs"),
        ({"delta": {"mode": "changed"}}, "- delta: is not for jobs of a cluster"),
        ({"batchsize": 5}, "- batchsize: there is no such argument; did you mean batch_size?"),
        ({"token_env": "BULK_SYNC_NOWHERE"}, "BULK_SYNC_NOWHERE"),
    ],
)
def test_mistakes_are_told_at_once(tmp_path: Path, arguments: dict[str, Any], told: str) -> None:
    nowhere = {"url": "http://127.0.0.1:9", "campaign_id": "c", "id": "loan_id", "state_dir": tmp_path / "state"}
    with pytest.raises(engine.ConfigError, match=told) as caught:
        BulkSyncSink(**nowhere | arguments)
    assert TOKEN not in str(caught.value)


def test_columns_that_are_not_there_fail_the_job(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    with pytest.raises(Exception, match=r"has no column 'emis'"):
        loans(100, 2).write_datasink(sink(server, tmp_path, fields=["emis"]))
    assert server.state() == {}
