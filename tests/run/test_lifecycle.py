"""How a run begins or is resumed, is carried out and ends, with a real state directory and a real server."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.outlets.prometheus import MetricValues
from engine.report.history import read_report
from engine.report.report import Report, RunStatus, from_json
from engine.run import lifecycle
from engine.run.lifecycle import carry_out
from engine.settings.tables import NotifyTable, Settings
from engine.simulator.process import StandInProcess
from engine.state.journal import Journal
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RecordCounts
from engine.values.errors import ConfigError, Interrupted, SourceMissing, SourceUntrusted, StateFailed, StateLocked
from engine.values.stopping import Stop
from tests.acceptance.listeners import HealthCheck
from tests.acceptance.portfolios import write_ndjson
from tests.run.nights import INTERRUPTED_ID, Night
from tests.run.runs import active_run, settings_of


async def carried_out(night: Night, settings: Settings | None = None, **changes: Any) -> Report:
    """Carry out the main job of the night."""
    job = night.job(settings, **changes)
    return await carry_out(lambda _journal: job, settings or night.settings, stop=Stop())


async def refused(night: Night, settings: Settings | None = None, **changes: Any) -> str:
    """Return why the run could not begin; whatever it had sent would have gone nowhere."""
    with pytest.raises(SourceUntrusted) as caught:
        await carry_out(
            lambda _journal: night.job(settings, **changes),
            settings or night.settings,
            stop=Stop(),
            read_token=lambda: "token",
        )
    return str(caught.value)


# Beginning


async def test_a_new_run_brings_every_record_home(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    report = await carried_out(night)
    assert (report.status, report.resumes) == (RunStatus.SUCCEEDED, 0)
    assert report.records == RecordCounts(read=30, updated=30)
    assert await asyncio.to_thread(night.arrived) == night.loans
    assert night.unfinished() is None


async def test_the_report_is_where_the_state_is(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    report = await carried_out(night)
    assert from_json((night.state_dir / "runs" / report.run_id / "report.json").read_bytes()) == report


async def test_the_limits_that_were_found_are_kept_for_this_api(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    await carried_out(night)
    journal = SqliteJournal(night.state_dir)
    assert journal.learned(f"limits of {server.url}") is not None
    journal.close()


async def test_a_run_starts_from_the_limits_that_are_known_of_this_api(tmp_path: Path, server: StandInProcess) -> None:
    night, known = Night(tmp_path, server), {"rate": 77.0, "in_flight": 5}
    journal = SqliteJournal(night.state_dir)
    journal.learn(f"limits of {server.url}", known)
    journal.close()
    report = await carried_out(night)
    assert (report.pacing.rate_limit, report.pacing.in_flight_limit) == (77.0, 5)


async def test_whoever_wants_to_hears_of_the_start_and_the_end(
    tmp_path: Path, server: StandInProcess, health_check: HealthCheck
) -> None:
    await carried_out(Night(tmp_path, server, notify={"healthcheck_url": health_check.url}))
    assert [ping.path for ping in health_check.pings] == ["/ping/uuid/start", "/ping/uuid"]


async def test_events_bear_the_id_of_the_run(
    tmp_path: Path, server: StandInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: dict[str, object] = {}
    monkeypatch.setattr(lifecycle, "bind_to_logs", bound.update)
    report = await carried_out(Night(tmp_path, server))
    assert bound == {"run_id": report.run_id}


@pytest.mark.parametrize(
    ("guard", "said"), [({"min_records": 31}, "guard.min_records"), ({"max_shrink": "10%"}, "guard.max_shrink")]
)
async def test_a_source_that_is_too_small_is_not_begun(
    tmp_path: Path, server: StandInProcess, guard: dict[str, Any], said: str
) -> None:
    night = Night(tmp_path, server)
    await carried_out(night)
    write_ndjson(night.path, dict(list(night.loans.items())[:20]))
    runs = list((night.state_dir / "runs").iterdir())
    assert said in await refused(night, night.settings_with(guard=guard))
    assert list((night.state_dir / "runs").iterdir()) == runs


async def test_rejects_are_few_and_may_be(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, guard={"min_records": 31})
    report = await carried_out(night, kind="replay", of_rejects=True)
    assert (report.kind, report.status) == ("replay", RunStatus.SUCCEEDED)


async def test_without_a_token_nothing_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMEPAY_TOKEN", raising=False)
    night = Night(tmp_path)
    with pytest.raises(ConfigError, match="TIMEPAY_TOKEN"):
        await carried_out(night)
    assert not night.state_dir.exists()


async def test_a_second_run_is_kept_out(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    journal = SqliteJournal(night.state_dir)
    with pytest.raises(StateLocked):
        await carried_out(night)
    journal.close()


async def test_a_plan_that_fails_begins_nothing_and_gives_the_lock_back(tmp_path: Path, server: StandInProcess) -> None:
    def plan(journal: Journal) -> Any:
        assert journal.unfinished_run("sync") is None  # it may look at what was
        raise ConfigError("there is no run to replay")

    night = Night(tmp_path, server)
    with pytest.raises(ConfigError, match="no run to replay"):
        await carry_out(plan, night.settings, stop=Stop())
    assert list((night.state_dir / "runs").iterdir()) == []
    assert night.unfinished() is None


# Going on


async def test_an_interrupted_run_is_resumed_and_sends_the_rest(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    night.interrupt(done=1)
    report = await carried_out(night)
    assert (report.run_id, report.resumes, report.status) == (INTERRUPTED_ID, 1, RunStatus.SUCCEEDED)
    assert report.records == RecordCounts(read=30, updated=30)
    assert (report.requests.sent, report.duration_s > 5) == (3, True)  # over both processes
    assert sum(sample.updated for sample in report.timeline) == 20  # what this process has updated
    assert set(await asyncio.to_thread(night.arrived)) == set(night.loans) - set(night.first_ids(10))


async def test_a_fresh_run_sends_everything_and_gives_the_other_one_up(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    night.interrupt(done=1)
    report = await carried_out(night, fresh=True)
    assert (report.run_id != INTERRUPTED_ID, report.resumes) == (True, 0)
    assert await asyncio.to_thread(night.arrived) == night.loans
    assert night.unfinished() is None


async def test_a_sync_closes_a_push_that_was_interrupted(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    night.interrupt(kind="push")
    report = await carried_out(night)
    assert report.resumes == 0
    assert night.unfinished("push") is None
    closed = read_report(night.state_dir / "runs" / INTERRUPTED_ID / "report.json")
    assert closed is not None
    assert closed.closed_by == report.run_id


async def test_a_resumed_run_was_judged_when_it_began(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, guard={"min_records": 1_000})
    night.interrupt()
    assert (await carried_out(night)).status == RunStatus.SUCCEEDED


async def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.interrupt()
    said = await refused(night, night.settings_with(upload={"batch_size": 5}, source={"format": "ndjson"}))
    assert "(source.format, upload.batch_size)" in said
    assert INTERRUPTED_ID in said
    assert "--fresh" in said


async def test_a_setting_that_the_run_did_not_know_counts_unless_it_is_unset(
    tmp_path: Path, server: StandInProcess
) -> None:
    night = Night(tmp_path, server)
    night.interrupt()
    identity = night.job().identity
    assert "(upload.new)" in await refused(night, identity={**identity, "upload.new": 1})
    report = await carried_out(night, identity={**identity, "upload.new": None})
    assert report.resumes == 1


async def test_pace_and_guards_may_be_others(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    night.interrupt()
    settings = night.settings_with(upload={"concurrency": 2, "retry_window_s": 5.0}, guard={"max_rejected": "90%"})
    assert (await carried_out(night, settings)).resumes == 1


async def test_another_source_is_refused_and_what_changed_is_said(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.interrupt()
    before = night.path.stat().st_size
    night.path.write_bytes(night.path.read_bytes() + b"\n")
    said = await refused(night)
    assert f"loans.ndjson grew from {before:,} to {before + 1:,} bytes" in said
    assert "--fresh" in said


async def test_other_content_of_the_same_size_is_refused_at_once(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.interrupt()
    content = night.path.read_bytes()
    night.path.write_bytes(content[:-20] + content[-20:].swapcase())
    assert "loans.ndjson has the same size, but different content" in await refused(night)
    left = night.unfinished()
    assert left is not None
    assert left.resumes == 0


async def test_a_larger_source_of_other_content_is_noticed_while_it_is_read(
    tmp_path: Path, server: StandInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "HASHED_FIRST_BYTES", 0)
    night = Night(tmp_path, server)
    night.interrupt()
    content = night.path.read_bytes()
    night.path.write_bytes(content[:-20] + content[-20:].swapcase())
    report = await carried_out(night)
    assert (report.status, report.exit_code) == (RunStatus.FAILED, SourceUntrusted.exit_code)
    assert "loans.ndjson has the same size, but different content" in report.message
    assert report.requests.sent < len(content.splitlines()) // night.settings.upload.batch_size  # its end was not sent


async def test_a_source_that_was_only_touched_is_the_same(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    night.interrupt()
    os.utime(night.path, (0, 0))
    assert (await carried_out(night)).resumes == 1


async def test_a_source_that_is_too_old_is_not_begun_but_goes_on(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server, guard={"max_age": "1h"})
    os.utime(night.path, (0, 0))
    assert "guard.max_age" in await refused(night)
    assert night.unfinished() is None
    night.interrupt()
    assert (await carried_out(night)).resumes == 1


async def test_counting_the_source_first_does_not_hold_a_stop(
    tmp_path: Path, server: StandInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    night, stop = Night(tmp_path, server, guard={"min_records": 1}), Stop()
    loop, may_end = asyncio.get_running_loop(), threading.Event()

    def count(*_: Any) -> None:
        loop.call_soon_threadsafe(stop.request, Interrupted("stopped by SIGTERM"))
        assert may_end.wait(30)

    monkeypatch.setattr(lifecycle, "check_size", count)
    with pytest.raises(Interrupted, match="SIGTERM"):
        await carry_out(lambda _journal: night.job(), night.settings, stop=stop)
    assert not may_end.is_set()
    may_end.set()
    assert night.unfinished() is None


async def test_who_is_refused_has_not_resumed_anything(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.interrupt()
    await refused(night, night.settings_with(upload={"batch_size": 5}))
    night.path.write_bytes(night.path.read_bytes() + b"\n")
    await refused(night)
    left = night.unfinished()
    assert left is not None
    assert (left.id, left.resumes, len(left.done)) == (INTERRUPTED_ID, 0, 1)


async def test_a_run_of_which_nothing_counts_yet_may_read_another_source(
    tmp_path: Path, server: StandInProcess
) -> None:
    night = Night(tmp_path, server)
    night.interrupt(done=0)
    write_ndjson(night.path, dict(list(night.loans.items())[:20]))
    report = await carried_out(night)
    assert (report.run_id, report.records.updated) == (INTERRUPTED_ID, 20)


# Under way


async def test_telemetry_is_saved_while_the_run_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "UPKEEP_S", 0.0)
    loop, saved = asyncio.get_running_loop(), asyncio.Event()
    async with active_run(settings_of(tmp_path)) as active:
        journal = active.thread.value
        save = journal.save

        def saving(*args: Any, **kwargs: Any) -> None:
            save(*args, **kwargs)
            loop.call_soon_threadsafe(saved.set)

        monkeypatch.setattr(journal, "save", saving)
        active.traffic.requests.sent = 7
        async with lifecycle._observed(active):
            await saved.wait()
        found = await active.thread.call(journal.unfinished_run, "sync")
    assert found is not None
    assert found.requests.sent == 7
    assert not active.stop.requested


async def test_a_journal_that_fails_under_way_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise StateFailed("the disk is full")

    monkeypatch.setattr(lifecycle, "UPKEEP_S", 0.0)
    async with active_run(settings_of(tmp_path)) as active:
        monkeypatch.setattr(active.thread.value, "save", fails)
        async with lifecycle._observed(active):
            await active.stop.wait()
    assert isinstance(active.stop.error, StateFailed)


async def test_a_bug_in_what_keeps_the_world_informed_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "write_metrics", lambda *_: 1 / 0)
    async with active_run(settings_of(tmp_path)) as active:
        with pytest.raises(ZeroDivisionError):
            async with lifecycle._observed(active):
                await asyncio.sleep(0)


async def test_metrics_are_written_at_once_and_none_are_left_in_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late one would overwrite those of the end."""
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    written: list[MetricValues] = []

    def slowly(_: NotifyTable, values: MetricValues) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(60)
        written.append(values)

    monkeypatch.setattr(lifecycle, "write_metrics", slowly)
    async with active_run(settings_of(tmp_path)) as active:
        async with lifecycle._observed(active):
            await begun.wait()
            loop.call_later(0.05, go_on.set)
        assert [values.exit_code for values in written] == [None]


async def test_no_exception_gets_lost_when_the_source_vanishes(tmp_path: Path, server: StandInProcess) -> None:
    """Nobody asks for its fingerprint then; a lost exception would be called a bug."""
    lost: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: lost.append(context))
    night = Night(tmp_path, server)
    job = night.job()
    night.path.unlink()
    report = await carry_out(lambda _journal: job, night.settings, stop=Stop())
    assert report.exit_code == SourceMissing.exit_code
    gc.collect()
    await asyncio.sleep(0)
    assert not lost


async def test_a_process_that_is_killed_at_once_leaves_when_it_began(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path)) as active:
        over = asyncio.Event()
        upkeep = asyncio.create_task(lifecycle._keep_up(active, over))
        journal = active.thread.value
        told: dict[str, Any] = {}
        while not told:  # as long as it takes; nothing has told it that the run is over
            await asyncio.sleep(0)
            told = dict(await active.thread.call(journal.telemetry, active.run))
        over.set()
        await upkeep
    [process] = told["processes"]
    assert process["t_s"] == 0
    assert process["at"].endswith("Z")
