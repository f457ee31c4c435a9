"""Who hears of a run: only who wants to, the truth, and whatever goes wrong with it is a warning."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from engine.run import alerting, announce
from engine.run.announce import announce_end, announce_no_run, announce_start, metric_values, write_metrics
from engine.run.jobs.sync import sync
from engine.settings.tables import NotifyTable
from engine.simulator.process import StandInProcess
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import CampaignMissing
from tests.acceptance.listeners import HealthCheck
from tests.acceptance.portfolios import write_ndjson
from tests.fakes import chunk_of
from tests.reports import partial_report, succeeded_report
from tests.run.nights import Night
from tests.run.runs import active_run, settings_of

NOBODY = NotifyTable()


async def test_the_health_check_hears_of_the_start_and_the_end(tmp_path: Path, health_check: HealthCheck) -> None:
    settings = settings_of(tmp_path, notify={"healthcheck_url": health_check.url})
    await announce_start(settings.notify)
    await announce_end(settings, partial_report(), tmp_path)
    assert [ping.path for ping in health_check.pings] == ["/ping/uuid/start", "/ping/uuid/3"]
    assert "4,208,776" in health_check.pings[1].body


def test_the_health_check_hears_that_there_will_be_no_report(tmp_path: Path, health_check: HealthCheck) -> None:
    announce_no_run(settings_of(tmp_path, notify={"healthcheck_url": health_check.url}), 66)
    assert [ping.path for ping in health_check.pings] == ["/ping/uuid/66"]


async def test_nobody_is_told_who_does_not_want_to_hear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ping_start", "ping_end", "ping_no_run", "run_command", "write_metrics_file"):
        monkeypatch.setattr(announce, name, None)  # whoever calls it fails
    for name in ("alert_end", "alert_no_run"):
        monkeypatch.setattr(alerting, name, None)
    await announce_start(NOBODY)
    await announce_end(settings_of(tmp_path), partial_report(), tmp_path)
    announce_no_run(settings_of(tmp_path), 66)
    async with active_run(settings_of(tmp_path)) as active:
        write_metrics(NOBODY, metric_values(active))


async def test_the_operators_command_hears_of_the_end_but_not_of_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHT_TOKEN", "secret")
    heard = tmp_path / "heard.json"
    program = f"import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open({str(heard)!r}, 'w'))"
    settings = settings_of(
        tmp_path, api={"token_env": "NIGHT_TOKEN"}, notify={"command": [sys.executable, "-c", program]}
    )
    await announce_end(settings, partial_report(), tmp_path / "run")
    arguments, environment = json.loads(heard.read_text(encoding="utf-8"))
    assert arguments == [str(tmp_path / "run" / "report.json")]
    assert environment["SYNC_EXIT_CODE"] == "3"
    assert "NIGHT_TOKEN" not in environment


async def test_what_goes_wrong_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failed(name: str) -> str:
        return f"{name} failed"

    for name in ("ping_start", "ping_end", "ping_no_run"):
        monkeypatch.setattr(announce, name, lambda *_, name=name: failed(name))
    monkeypatch.setattr(announce, "run_command", lambda *_, **__: "run_command failed")
    textfile = str(tmp_path / "missing" / "night.prom")
    table = {"healthcheck_url": "http://127.0.0.1:9/x", "command": ["notify"], "prometheus_textfile": textfile}
    settings = settings_of(tmp_path, notify=table)
    with caplog.at_level(logging.WARNING, "engine"):
        await announce_start(settings.notify)
        await announce_end(settings, partial_report(), tmp_path)
        await asyncio.to_thread(announce_no_run, settings, 1)  # there is no loop when there is no run
        async with active_run(settings) as active:
            write_metrics(settings.notify, metric_values(active))
    assert {record.getMessage() for record in caplog.records} == {"not_announced"}
    messages = [record.fields["message"] for record in caplog.records]  # type: ignore[attr-defined]  # of our own log
    assert messages[:4] == ["ping_start failed", "ping_end failed", "run_command failed", "ping_no_run failed"]
    assert "night.prom" in messages[4]


async def test_a_bug_in_what_tells_of_a_run_does_not_fail_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise TypeError

    names = ("ping_start", "ping_end", "ping_no_run", "run_command", "write_metrics_file")
    for name in names:
        monkeypatch.setattr(announce, name, fail)
    textfile = str(tmp_path / "night.prom")
    table = {"healthcheck_url": "http://127.0.0.1:9/x", "command": ["notify"], "prometheus_textfile": textfile}
    settings = settings_of(tmp_path, notify=table)
    await announce_start(settings.notify)
    await announce_end(settings, partial_report(), tmp_path)
    await asyncio.to_thread(announce_no_run, settings, 1)
    async with active_run(settings) as active:
        await asyncio.to_thread(write_metrics, settings.notify, metric_values(active))
    assert [record.getMessage() for record in caplog.records] == ["not_shown"] * len(names)


async def test_metrics_of_a_run_under_way_are_of_what_is_known_by_now(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path), [chunk_of("a", "b")]) as active:
        list(active.accounts.reading(active.job.chunks()))
        active.traffic.requests.sent = 1
        values = metric_values(active)
        active.traffic.requests.sent = 2  # what was said stays as it was
    assert values.records == RecordCounts(read=2, pending=2)
    assert values.requests == RequestCounts(sent=1)
    assert (values.campaign_id, values.in_flight) == ("camp", 0)
    assert (values.exit_code, values.finished_at_s, values.last_success_s) == (None, None, None)


async def test_metrics_of_each_campaign_are_of_what_is_known_by_now(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path)) as active:
        for campaign_id, chunk in (("camp_a", chunk_of("a", "b")), ("camp_b", chunk_of("c"))):
            list(active.accounts.reading([replace(chunk, campaign_id=campaign_id)]))
        active.traffic.campaigns.end("camp_b", CampaignMissing("it is not known"))
        told = {each.campaign_id: (each.records.pending, each.exit_code) for each in metric_values(active).campaigns}
    assert told == {"camp_a": (2, None), "camp_b": (1, 77)}


async def test_metrics_of_a_run_that_ended_are_those_of_its_report(tmp_path: Path) -> None:
    report = succeeded_report()
    async with active_run(settings_of(tmp_path)) as active:
        values = metric_values(active, report)
    assert (values.records, values.requests, values.duration_s) == (report.records, report.requests, report.duration_s)
    assert values.exit_code == 0
    assert values.finished_at_s == values.last_success_s is not None


@pytest.mark.parametrize("exit_code", [3, 65, 75])
async def test_only_a_run_that_delivered_everything_is_a_success(tmp_path: Path, exit_code: int) -> None:
    async with active_run(settings_of(tmp_path)) as active:
        values = metric_values(active, replace(succeeded_report(), exit_code=exit_code))
    assert values.finished_at_s is not None
    assert values.last_success_s is None


async def test_the_metrics_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "night.prom"
    async with active_run(settings_of(tmp_path / "state")) as active:
        write_metrics(NotifyTable(prometheus_textfile=path), metric_values(active))
    assert 'bulk_sync_records_read{campaign="camp"} 0.0\n' in path.read_text(encoding="utf-8")


async def test_what_delta_has_found_is_among_the_metrics_at_the_end(tmp_path: Path, server: StandInProcess) -> None:
    file = tmp_path / "bulk_sync.prom"
    night = Night(tmp_path, server, delta={"mode": "changed"}, notify={"prometheus_textfile": str(file)})
    report = await sync(night.settings)
    write_ndjson(night.path, dict(list(night.loans.items())[2:]))
    await sync(night.settings)
    told = dict(re.findall(r"^bulk_sync_(\w+)\{campaign=\"[^\"]*\"\} (\S+)$", file.read_text("utf-8"), re.MULTILINE))
    assert (float(told["gone_found"]), float(told["gone_updated"])) == (2, 0)
    assert float(told["ledger_records"]) == 30
    began_s = datetime.fromisoformat(report.started_at).timestamp()
    assert float(told["ledger_oldest_timestamp_seconds"]) == pytest.approx(began_s, abs=0.001)
