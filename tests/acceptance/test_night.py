"""A bad night (throttling, a poison record, a kill) and the morning after: everything that is told about it agrees."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.engine_process import Engine, Outcome
from tests.acceptance.listeners import HealthCheck
from tests.acceptance.portfolios import portfolio, write_ndjson
from tests.ports import free_port
from tests.stand_in import let_through, stand_in

RECORDS = 2_000
CHUNK = 20
POISON = "loan_001234"

MakeEngine = Callable[..., Engine]

RECORD_ENVIRONMENT = ["/bin/sh", "-c", 'env > environment; echo "$0" > report_path']
"""A notify command that leaves behind what it was given; the engine adds the path of the report."""


@dataclass
class Night:
    """What was left of it."""

    engine: Engine
    done: Outcome
    pings: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    metrics_before: str = ""

    @property
    def report(self) -> dict[str, Any]:
        return self.done.report

    @property
    def run_dir(self) -> Path:
        return self.engine.home / "engine-state" / "runs" / str(self.report["run_id"])

    @property
    def metrics(self) -> dict[str, float]:
        return samples((self.engine.home / "sync.prom").read_text(encoding="utf-8"))


def samples(text: str) -> dict[str, float]:
    """Return metrics by `name` or `name:label`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sample.labels.pop("campaign")
            key = ":".join([sample.name.removeprefix("bulk_sync_"), *sample.labels.values()])
            found[key] = sample.value
    return found


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """A good night; then one with 3 % of 429, Retry-After, a poison record, and a kill -9 in the middle."""
    home = tmp_path_factory.mktemp("night")
    with HealthCheck() as check, stand_in() as server:
        engine = Engine(home, server)
        write_ndjson(home / "loans.ndjson", portfolio(RECORDS))
        engine.configure(
            source={"path": "loans.ndjson"},
            upload={"batch_size": CHUNK, "concurrency": 4},
            notify={
                "healthcheck_url": check.url,
                "command": RECORD_ENVIRONMENT,
                "prometheus_textfile": "sync.prom",
            },
        )
        assert engine.sync().exit_code == 0
        metrics_before = (home / "sync.prom").read_text(encoding="utf-8")
        server.change(fault=["429:0.03"], poison=[POISON], hold="before-reply")
        process = engine.start("sync")
        let_through(server, 40)
        process.kill()
        process.communicate()
        server.change(rate=20.0, burst=5.0, hold="nothing")
        done = engine.sync()
        yield Night(
            engine,
            done,
            [ping.path.removeprefix("/ping/uuid") for ping in check.pings],
            [ping.body for ping in check.pings],
            metrics_before,
        )


def test_all_but_the_poison_record_is_delivered(night: Night) -> None:
    assert (night.done.exit_code, night.report["resumes"]) == (3, 1)
    assert night.done.records == {"read": RECORDS, "updated": RECORDS - 1, "rejected": 1}
    assert [(reject["id"], reject["outcome"]) for reject in night.engine.rejects()] == [(POISON, "rejected")]
    assert [reason["example_ids"] for reason in night.report["reasons"]] == [[POISON]]
    assert night.engine.server.state() == portfolio(RECORDS)  # the first night delivered the poison record, too
    requests = night.report["requests"]
    assert requests["sent"] == requests["succeeded"] + requests["throttled"] + requests["failed"]
    assert requests["throttled"] > 0
    assert night.report["throttled_s"] > 0  # the stand-in says Retry-After


def test_the_health_check_heard_it_all(night: Night) -> None:
    assert night.pings == ["/start", "", "/start", "/start", "/3"]  # a killed process says nothing
    body = night.bodies[-1]
    assert f"run {night.report['run_id']}, exit code 3" in body
    assert f"read {RECORDS:,}, updated {RECORDS - 1:,}, rejected 1" in body
    assert POISON not in body


def test_the_command_got_the_report_and_no_token(night: Night) -> None:
    path = Path((night.engine.home / "report_path").read_text(encoding="utf-8").strip())
    assert json.loads((night.engine.home / path).read_bytes()) == night.report
    lines = (night.engine.home / "environment").read_text(encoding="utf-8").splitlines()
    environment = dict(line.partition("=")[::2] for line in lines)
    assert environment["SYNC_RUN_ID"] == night.report["run_id"]
    assert (environment["SYNC_STATUS"], environment["SYNC_EXIT_CODE"]) == ("partial", "3")
    assert "TIMEPAY_TOKEN" not in environment
    assert night.engine.server.token not in "\n".join(lines)


def test_the_metrics_agree_and_the_last_success_survives(night: Night) -> None:
    metrics, before = night.metrics, samples(night.metrics_before)
    for name, count in night.report["records"].items():
        beside = {"read": "records_read", "filtered": "rows_filtered"}
        assert metrics[beside.get(name, f"records:{name}")] == count
    for name in ("succeeded", "throttled", "failed"):
        assert metrics[f"requests:{name}"] == night.report["requests"][name]
    assert metrics["requests_sent"] == night.report["requests"]["sent"]
    assert metrics["replies:200"] > 0
    assert metrics["run_exit_code"] == 3
    assert metrics["last_success_timestamp_seconds"] == before["last_success_timestamp_seconds"]
    assert metrics["run_finished_timestamp_seconds"] > before["run_finished_timestamp_seconds"]


def test_status_shows_both_nights(night: Night) -> None:
    text = night.engine.run("status").out
    rows = [line.split() for line in text.splitlines()[2:6:2]]
    assert [row[5:8] for row in rows] == [["succeeded", "2,000", "2,000"], ["partial", "2,000", "1,999"]]
    assert f"Not accepted: 1 record of run {night.report['run_id']}, in\n" in text
    values = json.loads(night.engine.run("status", "--json").out)
    assert (values["resumable"], values["running"]) == (None, None)
    assert values["rejected"] == [night.report["run_id"]]
    assert values["runs"][1] == {key: value for key, value in night.report.items() if key != "timeline"}


def test_status_of_one_run_is_its_summary(night: Night) -> None:
    run_id = night.report["run_id"]
    text = night.engine.run("status", run_id).out
    assert re.search(r"^Finished, but 1 of 2,000 records", text, re.MULTILINE), text
    assert f"python -m engine replay -c config.toml {run_id}" in text
    assert json.loads(night.engine.run("status", run_id, "--json").out) == night.report
    missing = night.engine.run("status", "20200101T000000Z-000000")
    assert (missing.exit_code, missing.out, "there is no run" in missing.err) == (2, "", True)


def test_the_page_tells_the_same(night: Night) -> None:
    page = (night.run_dir / "report.html").read_text(encoding="utf-8")
    for expected in (night.report["run_id"], "1,999", POISON, "429"):
        assert expected in page, expected
    assert json.loads((night.run_dir / "report.json").read_bytes()) == night.report


def test_while_it_runs_the_metrics_and_status_say_so(make_engine: MakeEngine) -> None:
    engine = make_engine(hold="before-reply")
    write_ndjson(engine.home / "loans.ndjson", portfolio(40))
    port = free_port()
    engine.configure(
        upload={"batch_size": 10, "concurrency": 2},
        notify={"prometheus_textfile": "sync.prom", "prometheus_port": port},
    )
    process = engine.start("sync")
    try:
        engine.server.wait(held=2)
        metrics = samples((engine.home / "sync.prom").read_text(encoding="utf-8"))
        assert "run_exit_code" not in metrics
        assert metrics["records:updated"] == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            assert samples(reply.read().decode())["in_flight"] == 2
        values = json.loads(engine.run("status", "--json").out)
        assert (values["running"], values["resumable"]) == (values["runs"][0]["run_id"], None)
        assert "Under way: " in engine.run("status").out
        alone = engine.run("status", values["running"])
        assert (alone.exit_code, "still under way" in alone.err) == (2, True)
    finally:
        process.kill()
        process.communicate()
    values = json.loads(engine.run("status", "--json").out)
    assert (values["running"], values["resumable"]) == (None, values["runs"][0]["run_id"])
    crashed = engine.run("status")
    assert re.search(r"^\w{3} \d\d \w{3} \d\d:\d\d \S+ +crashed", crashed.out, re.MULTILINE)
    assert "Go on with: python -m engine sync -c config.toml" in crashed.out


def test_old_nights_are_forgotten(make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(3))
    engine.configure(state={"keep_days": 30})
    state = engine.home / "engine-state"
    ids = [engine.sync().report["run_id"]]
    with closing(sqlite3.connect(state / "journal.sqlite3")) as journal:
        for number in range(8):
            ids.append(f"20200101T00000{number}Z-000000")
            shutil.copytree(state / "runs" / ids[0], state / "runs" / ids[-1])
            journal.execute(
                "INSERT INTO run (id, kind, campaign_id, started_at, identity, finished) "
                "VALUES (?, 'sync', 'camp', '2020-01-01T00:00:00.000Z', '{}', 1)",
                (ids[-1],),
            )
        journal.commit()
    ids.append(engine.sync().report["run_id"])
    kept = [ids[0], *ids[3:]]  # two of the old ones are not among the last seven
    assert {path.name for path in (state / "runs").iterdir()} == set(kept)
    assert len(json.loads(engine.run("status", "--json").out)["runs"]) == len(kept)


def test_a_night_that_could_not_begin_is_told_too(make_engine: MakeEngine) -> None:
    engine = make_engine()
    with HealthCheck() as check:
        engine.configure(notify={"healthcheck_url": check.url})
        assert engine.sync().exit_code == 66  # there is no source
        assert [ping.path.rpartition("/")[2] for ping in check.pings] == ["66"]
        assert "loans" not in check.pings[0].body
