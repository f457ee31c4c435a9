"""`engine.spark` in a real Spark: tasks that fail, workers and executors that are killed, servers that throttle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.simulator.process import StandInProcess
from tests.clusters.conftest import once, reports, sums, target

pytest.importorskip("pyspark", reason="PySpark is not installed: pip install -e '.[spark]'")

from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession

from engine.spark import BulkSync

LOANS = 20_000
PARTITIONS = 8


def session(master: str) -> SparkSession:
    builder = SparkSession.builder.master(master).appName("tests")
    settings = {
        "ui.enabled": "false",
        "sql.shuffle.partitions": "8",
        "driver.host": "127.0.0.1",
        "driver.bindAddress": "127.0.0.1",
    }
    for name, value in settings.items():
        builder = builder.config(f"spark.{name}", value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    spark.dataSource.register(BulkSync)
    return spark


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """Spark on this machine; a task may fail three times."""
    running = session("local[2,4]")
    yield running
    running.stop()


def loans(spark: SparkSession, count: int = LOANS, partitions: int = PARTITIONS) -> DataFrame:
    columns = (
        "concat('loan_', id) AS loan_id",
        "CAST(id AS DECIMAL(9,2)) / 4 AS emi_amount",
        "date_add(DATE '2026-11-01', CAST(id % 28 AS INT)) AS emi_due_date",
        "IF(id % 3 = 0, NULL, concat('आशा ', id)) AS first_name",
    )
    return spark.range(0, count, numPartitions=partitions).selectExpr(*columns)


def expected(count: int = LOANS) -> dict[str, dict[str, Any]]:
    return {
        f"loan_{number}": {
            "emi_amount": number / 4,
            "emi_due_date": f"2026-11-{number % 28 + 1:02}",
            **({} if number % 3 == 0 else {"first_name": f"आशा {number}"}),
        }
        for number in range(count)
    }


def write(frame: DataFrame, server: StandInProcess, tmp_path: Path, **options: Any) -> None:
    given = {**target(server, tmp_path), **options}
    frame.write.format("bulk_sync").options(**given).mode("append").save()


MakeServer = Callable[..., StandInProcess]
Batches = Iterator[Any]


def test_a_frame_of_32_partitions_becomes_one_run(spark: SparkSession, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    write(loans(spark, partitions=32), server, tmp_path)
    [report] = reports(tmp_path)
    assert (report["status"], report["source"]) == ("succeeded", "32 partitions")
    assert sums(report) == {"read": LOANS, "updated": LOANS}
    assert server.state() == expected()


def test_options_shape_the_columns(spark: SparkSession, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    shaping = {"fields": '["emi_amount", "first_name"]', "rename": '{"emi_amount": "due"}', "nulls": "send"}
    write(loans(spark, 4, 2), server, tmp_path, **shaping)
    assert server.state()["loan_3"] == {"due": 0.75, "first_name": None}


def failing(marker: str, how: str) -> Callable[[Batches], Batches]:
    """Let the third partition fail after its first rows, once or each time."""

    def passed(batches: Batches) -> Batches:
        context = TaskContext.get()
        assert context is not None
        is_it = context.partitionId() == 3
        for number, batch in enumerate(batches):
            yield batch.slice(0, 5)
            if is_it and number == 0 and (how == "always" or once(Path(marker))):
                if how == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if how == "kill the executor":
                    os.kill(grandparent(), signal.SIGKILL)
                raise RuntimeError("this task fails")
            yield batch.slice(5)

    return passed


def grandparent() -> int:
    """Return the process that runs this task: the parent of the daemon that workers are forked from."""
    status = Path(f"/proc/{os.getppid()}/status").read_text()
    [parent] = [line.split()[1] for line in status.splitlines() if line.startswith("PPid:")]
    return int(parent)


@pytest.mark.parametrize("how", ["once", "kill"])
def test_a_task_that_fails_or_is_killed_is_tried_again(
    spark: SparkSession, make_server: MakeServer, tmp_path: Path, how: str
) -> None:
    server, frame = make_server(), loans(spark)
    write(frame.mapInArrow(failing(str(tmp_path / "marker"), how), frame.schema), server, tmp_path)
    assert (tmp_path / "marker").exists()
    [report] = reports(tmp_path)
    assert sums(report) == {"read": LOANS, "updated": LOANS}
    assert server.state() == expected()
    assert server.stats()["repeated"] == 0


def test_a_task_that_always_fails_fails_the_job_and_nothing_is_sent(
    spark: SparkSession, make_server: MakeServer, tmp_path: Path
) -> None:
    server, frame = make_server(), loans(spark)
    with pytest.raises(Exception, match="this task fails"):
        write(frame.mapInArrow(failing(str(tmp_path / "marker"), "always"), frame.schema), server, tmp_path)
    [report] = reports(tmp_path)
    assert (report["status"], report["exit_code"], report["requests"]["sent"]) == ("failed", 65, 0)
    assert report["message"].startswith("a task of the job has failed, so nothing was sent; ")
    assert server.state() == {}


def test_a_poison_record_costs_itself_alone(spark: SparkSession, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(poison="loan_777")
    write(loans(spark), server, tmp_path)
    [report] = reports(tmp_path)
    counts = sums(report)
    assert (report["exit_code"], counts["read"], counts["updated"]) == (3, LOANS, LOANS - 1)
    rejects = tmp_path / "state" / "runs" / report["run_id"] / "rejected.ndjson"
    assert [json.loads(line)["id"] for line in rejects.read_text().splitlines()] == ["loan_777"]
    assert server.state() == {id_: data for id_, data in expected().items() if id_ != "loan_777"}


def test_a_throttling_server_is_respected(spark: SparkSession, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(rate=40)
    write(loans(spark), server, tmp_path)
    [report] = reports(tmp_path)
    assert sums(report) == {"read": LOANS, "updated": LOANS}
    assert report["requests"]["throttled"] > 0
    assert server.state() == expected()


def test_versions_of_an_id_in_many_partitions_never_race(
    spark: SparkSession, make_server: MakeServer, tmp_path: Path
) -> None:
    """No partitioning is asked of the user: the last partition's values win."""
    server = make_server(conflicts_above=1)
    frame = spark.range(0, 800, numPartitions=8).selectExpr("concat('loan_', id % 10) AS loan_id", "id AS version")
    write(frame, server, tmp_path, batch_size=5, max_superseded="100%", requests_per_second=1000)
    [report] = reports(tmp_path)
    assert report["status"] == "succeeded"
    assert server.state() == {f"loan_{number}": {"version": 790 + number} for number in range(10)}


def test_a_refused_token_fails_the_job_and_is_reported_once(
    spark: SparkSession, make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server()
    with pytest.raises(Exception, match=r"\(exit code 77; the report is in "):
        write(loans(spark), server, tmp_path, token_env="BULK_SYNC_WRONG_TOKEN")
    assert [report["exit_code"] for report in reports(tmp_path)] == [77]
    assert server.state() == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"token": "canary"}, "- token: would be written into plans and logs"),
        ({"delta": "changed"}, "- delta: is not for jobs of a cluster"),
        ({"batchsize": "5"}, "- batchsize: there is no such argument; did you mean batch_size?"),
        ({"batch_size": "many"}, "option batch_size: must be a number"),
        ({"rename": "{emi = 1}"}, "option rename: is no JSON"),
        ({"fields": '["emi"]'}, r"records has no column 'emi' \(fields\); its columns are loan_id, emi_amount"),
        ({"token_env": "BULK_SYNC_NOWHERE"}, "BULK_SYNC_NOWHERE"),
    ],
)
def test_mistakes_are_told_before_any_task_begins(
    spark: SparkSession, tmp_path: Path, options: dict[str, str], told: str
) -> None:
    nowhere = {"url": "http://127.0.0.1:9", "campaign_id": "c", "id": "loan_id", "state_dir": str(tmp_path / "state")}
    with pytest.raises(Exception, match=told) as caught:
        loans(spark).write.format("bulk_sync").options(**nowhere | options).mode("append").save()
    assert "canary" not in str(caught.value)
    assert reports(tmp_path) == []


def test_records_are_never_replaced_as_a_whole(spark: SparkSession, make_server: MakeServer, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r'write with mode\("append"\)'):
        loans(spark).write.format("bulk_sync").options(**target(make_server(), tmp_path)).mode("overwrite").save()


def test_a_lost_executor_is_made_up_for(make_server: MakeServer, tmp_path: Path) -> None:
    """Two executors are processes of their own; one of them is killed while it works."""
    running = SparkSession.getActiveSession()
    if running is not None:
        running.stop()
    spark = session("local-cluster[2,1,1024]")
    try:
        server, frame = make_server(), loans(spark, partitions=32)
        write(frame.mapInArrow(failing(str(tmp_path / "marker"), "kill the executor"), frame.schema), server, tmp_path)
    finally:
        spark.stop()
    assert (tmp_path / "marker").exists()
    [report] = reports(tmp_path)
    assert (report["status"], report["source"]) == ("succeeded", "32 partitions")
    assert sums(report) == {"read": LOANS, "updated": LOANS}
    assert server.state() == expected()
