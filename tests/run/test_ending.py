"""The end of a run: its report is derived from the journal and checked, and what it leaves behind is whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.report.history import write_report
from engine.report.report import Report, RunStatus, from_json
from engine.report.wording import verdict
from engine.run import ending
from engine.run.active_run import ActiveRun
from engine.run.ending import conclude
from engine.run.job import reading_of
from engine.run.jobs.sync import sync
from engine.run.lifecycle import carry_out
from engine.settings.tables import RunSettings
from engine.simulator.process import StandInProcess
from engine.state.sqlite_journal import SqliteJournal
from engine.values import Chunk, ChunkResult, Failure, Outcome, Place, Refusal
from engine.values.counts import RecordCounts, RequestCounts
from engine.values.errors import (
    AccessRefused,
    AccountsDoNotBalance,
    EngineError,
    Interrupted,
    SourceMissing,
    SourceUntrusted,
    StateFailed,
)
from engine.values.stopping import Stop
from tests.acceptance.portfolios import write_ndjson
from tests.fakes import FakeBulkApi, chunk_of
from tests.pipeline.senders import REQUEST
from tests.reports import RUN_ID, partial_report
from tests.run.nights import Night
from tests.run.runs import active_run, settings_of
from tests.stand_in import fresh_ids

CHUNKS = [chunk_of("a", "b"), chunk_of("c", seq=1)]
LIMITS = "limits of nowhere"


async def deliver(active: ActiveRun, results: Sequence[ChunkResult], *, read_all: bool = True) -> None:
    """Read all chunks, or as many as there are results, and make these durable."""
    if read_all:
        list(active.accounts.reading(active.job.chunks()))
    else:
        reading = active.accounts.reading(active.job.chunks())
        for _ in results:
            next(reading)
    await active.thread.call(active.thread.value.record, active.run, results, 1.0, RequestCounts())
    active.accounts.settle(results)


async def end(state_dir: Path, results: Sequence[ChunkResult], error: EngineError | None = None) -> Report:
    """Deliver these results of the chunks, and conclude the run."""
    async with active_run(settings_of(state_dir), CHUNKS) as active:
        await deliver(active, results)
        return await conclude(active, error, LIMITS)


def all_of(chunks: Sequence[Chunk], *failures: Failure) -> list[ChunkResult]:
    """The first chunk with these failures, the others without."""
    return [ChunkResult(chunk, failures if number == 0 else ()) for number, chunk in enumerate(chunks)]


def is_resumable(state_dir: Path) -> bool:
    journal = SqliteJournal(state_dir)
    try:
        return journal.unfinished_run("sync") is not None
    finally:
        journal.close()


async def test_a_run_that_delivered_everything(tmp_path: Path) -> None:
    report = await end(tmp_path, all_of(CHUNKS))
    assert (report.status, report.exit_code, report.message) == (RunStatus.SUCCEEDED, 0, "")
    assert report.records == RecordCounts(read=3, updated=3)
    assert not is_resumable(tmp_path)


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNKNOWN])
async def test_one_record_that_was_not_accepted_makes_the_run_partial(tmp_path: Path, outcome: Outcome) -> None:
    report = await end(tmp_path, all_of(CHUNKS, Failure(1, outcome, "no such loan", 422)))
    assert (report.status, report.exit_code) == (RunStatus.PARTIAL, 3)
    assert [(reason.reason, reason.count, reason.example_ids) for reason in report.reasons] == [
        ("no such loan", 1, ["b"])
    ]


async def test_one_record_that_was_invalid_makes_the_run_partial(tmp_path: Path) -> None:
    chunk = chunk_of("a")
    chunk.refusals = [Refusal("bad", Place("portfolio.ndjson", 2), raw="?")]
    async with active_run(settings_of(tmp_path), [chunk]) as active:
        await deliver(active, [ChunkResult(chunk)])
        report = await conclude(active, None, LIMITS)
    assert (report.status, report.exit_code) == (RunStatus.PARTIAL, 3)
    assert report.records == RecordCounts(read=2, invalid=1, updated=1)


@pytest.mark.parametrize(
    ("error", "status", "exit_code"),
    [
        (Interrupted("stopped by SIGTERM"), RunStatus.INTERRUPTED, 75),
        (AccessRefused("the API refused the token"), RunStatus.FAILED, 77),
        (SourceUntrusted("the file is cut off"), RunStatus.FAILED, 65),
        (SourceMissing("the file holds no record"), RunStatus.FAILED, 66),
        (StateFailed("the disk is full"), RunStatus.FAILED, 74),
    ],
)
async def test_an_error_says_how_it_ended(
    tmp_path: Path, error: EngineError, status: RunStatus, exit_code: int
) -> None:
    report = await end(tmp_path, all_of(CHUNKS[:1]), error)
    assert (report.status, report.exit_code, report.message) == (status, exit_code, str(error))
    assert report.records == RecordCounts(read=3, updated=2, pending=1)
    assert is_resumable(tmp_path)


async def test_a_run_that_says_it_can_be_resumed_can(tmp_path: Path) -> None:
    """Its source may end, or its last result become durable, when it was stopped already."""
    report = await end(tmp_path, all_of(CHUNKS), Interrupted("stopped by SIGTERM"))
    assert report.exit_code == 75
    assert is_resumable(tmp_path)


async def test_another_error_at_the_very_end_leaves_nothing_to_resume(tmp_path: Path) -> None:
    await end(tmp_path, all_of(CHUNKS), SourceUntrusted("too many rejects"))
    assert not is_resumable(tmp_path)


async def test_the_report_is_written_as_it_is_returned(tmp_path: Path) -> None:
    report = await end(tmp_path, all_of(CHUNKS))
    run_dir = tmp_path / "runs" / RUN_ID
    assert from_json((run_dir / "report.json").read_bytes()) == report
    assert (run_dir / "report.html").stat().st_size > 1_000


async def test_the_report_tells_what_was_to_be_done(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS, limit=3, config_path="night.toml") as active:
        await deliver(active, all_of(CHUNKS))
        report = await conclude(active, None, LIMITS)
    assert (report.run_id, report.kind, report.limit) == (RUN_ID, "sync", 3)
    assert (report.source, report.config_path, report.campaign_id) == ("portfolio.ndjson", "night.toml", "camp")


async def test_requests_are_reported_and_kept_for_the_next_process(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        await active.traffic.over(FakeBulkApi()).settle(REQUEST)
        report = await conclude(active, Interrupted("SIGTERM"), LIMITS)
        kept = await active.thread.call(active.thread.value.unfinished_run, "sync")
    assert kept is not None
    assert kept.requests == report.requests == RequestCounts(sent=1, succeeded=1)
    assert kept.telemetry["statuses"] == {"200": 1}
    assert kept.worked_s == report.duration_s


async def test_limits_that_were_learned_are_kept_for_the_next_night(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        await deliver(active, all_of(CHUNKS))
        await conclude(active, None, LIMITS)
        kept = await active.thread.call(active.thread.value.learned, LIMITS)
        assert kept == active.traffic.limiter.to_json()


async def test_the_page_compares_with_the_night_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = partial_report(run_id="20261122T020000Z-07b3f9")
    compared: list[Report | None] = []
    replayed = replace(before, run_id="20261122T030000Z-07b3f9", kind="replay")
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        for report in (before, replayed, replace(before, run_id=active.run.id)):
            write_report(report, tmp_path / "runs" / report.run_id)
        monkeypatch.setattr(ending, "write_report", lambda _report, _run_dir, *, previous: compared.append(previous))
        await deliver(active, all_of(CHUNKS))
        await conclude(active, None, LIMITS)
    assert compared == [before]


async def test_the_metrics_of_the_end_are_written(tmp_path: Path) -> None:
    path = tmp_path / "night.prom"
    settings = settings_of(tmp_path / "state", notify={"prometheus_textfile": str(path)})
    async with active_run(settings, CHUNKS) as active:
        await deliver(active, all_of(CHUNKS))
        await conclude(active, None, LIMITS)
    assert 'bulk_sync_run_exit_code{campaign="camp"} 0.0\n' in path.read_text(encoding="utf-8")


async def test_whoever_is_told_finds_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Report, Report]] = []

    async def announce_end(_: RunSettings, report: Report, run_dir: Path, *, earlier: object) -> None:
        told.append((report, from_json((run_dir / "report.json").read_bytes())))

    monkeypatch.setattr(ending, "announce_end", announce_end)
    report = await end(tmp_path, all_of(CHUNKS))
    assert told == [(report, report)]


async def test_a_journal_that_holds_something_else_is_a_bug(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        await deliver(active, all_of(CHUNKS))
        held = active.accounts.durable  # in balance, and yet not what is durable
        active.accounts.durable = replace(held, updated=held.updated - 1, rejected=held.rejected + 1)
        with pytest.raises(AccountsDoNotBalance, match="the journal's sums"):
            await conclude(active, None, LIMITS)
    assert not (tmp_path / "runs" / RUN_ID / "report.json").exists()
    assert is_resumable(tmp_path)


@pytest.mark.parametrize(
    ("error", "sent", "resumable"),
    [
        (SourceUntrusted("nearly everything is invalid"), 0, False),  # nothing to go on with
        (SourceUntrusted("cut off"), 1, True),
        (Interrupted("SIGTERM"), 0, True),
    ],
)
async def test_a_failed_run_that_has_sent_nothing_is_over(
    tmp_path: Path, error: EngineError, sent: int, resumable: bool
) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        list(active.accounts.reading(active.job.chunks()))
        active.traffic.requests.sent = active.traffic.requests.failed = sent
        report = await conclude(active, error, LIMITS)
    assert report.records == RecordCounts(read=3, pending=3)
    assert is_resumable(tmp_path) == resumable


async def test_old_runs_are_forgotten_at_the_end_and_trouble_with_them_is_only_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def forget(_: SqliteJournal, started_before: str) -> list[str]:
        asked.append(started_before)
        raise StateFailed("the disk is full")

    monkeypatch.setattr(SqliteJournal, "forget_old_runs", forget)
    settings = settings_of(tmp_path, state={"keep_days": 3})
    async with active_run(settings, CHUNKS) as active:
        await deliver(active, all_of(CHUNKS))
        assert (await conclude(active, None, LIMITS)).exit_code == 0
    age = datetime.now(UTC) - datetime.fromisoformat(asked[0])
    assert timedelta(days=3) <= age < timedelta(days=3, hours=1)
    assert [record.getMessage() for record in caplog.records] == ["old_run_not_deleted"]


async def test_accounts_that_do_not_balance_are_a_bug(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        await deliver(active, all_of(CHUNKS))
        active.accounts.read -= 1  # more was settled than was read
        with pytest.raises(AccountsDoNotBalance, match="do not balance"):
            await conclude(active, Interrupted("SIGTERM"), LIMITS)


@pytest.mark.parametrize("read_all", [True, False], ids=["one is pending", "the source has not ended"])
async def test_an_end_before_the_end_is_a_bug(tmp_path: Path, read_all: bool) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        await deliver(active, all_of(CHUNKS[:1]), read_all=read_all)
        with pytest.raises(AccountsDoNotBalance, match="with records pending"):
            await conclude(active, None, LIMITS)


async def test_a_state_that_takes_no_report_is_said(tmp_path: Path) -> None:
    async with active_run(settings_of(tmp_path), CHUNKS) as active:
        await deliver(active, all_of(CHUNKS))
        (tmp_path / "runs" / RUN_ID / "report.json").mkdir()
        with pytest.raises(StateFailed, match=r"report\.json"):
            await conclude(active, None, LIMITS)


async def end_of_night(night: Night, **changes: Any) -> Report:
    """Carry out the main job of the night."""
    job = night.job(**changes)
    return await carry_out(lambda _journal: job, night.settings, stop=Stop())


async def test_a_source_that_was_delivered_before_is_doubted(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    first = await end_of_night(night)
    assert (first.doubts, first.same_source_as) == ([], "")
    second = await end_of_night(night)
    assert second.same_source_as == first.run_id
    assert verdict(second) == f"All 30 records were delivered. Its source is the very one of run {first.run_id}."
    assert second.doubts == [
        f"the source is byte for byte that of run {first.run_id} of {first.started_at[:10]}: is it an old export again?"
    ]
    third = await end_of_night(night)
    assert second.run_id in third.doubts[0]
    write_ndjson(night.path, dict(list(night.loans.items())[:20]))
    assert (await end_of_night(night)).doubts == []


async def test_a_part_of_a_source_is_no_source(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    reading = reading_of(night.settings, 10)
    await end_of_night(night, chunks=partial(reading.cutting.cut, reading.open()), limit=10)
    whole = await end_of_night(night)
    assert (whole.doubts, whole.records.updated) == ([], 30)


async def test_a_source_that_was_not_delivered_is_not_doubted(tmp_path: Path, server: StandInProcess) -> None:
    night = Night(tmp_path, server)
    stop = Stop()
    stop.request(Interrupted("SIGTERM"))
    job = night.job()
    await carry_out(lambda _journal: job, night.settings, stop=stop)
    resumed = await end_of_night(night)
    assert (resumed.status, resumed.doubts) == (RunStatus.SUCCEEDED, [])


@pytest.mark.parametrize(("changed", "expected"), [(60, 1), (50, 0)])
async def test_more_than_half_that_differ_are_a_doubt(
    tmp_path: Path, server: StandInProcess, changed: int, expected: int
) -> None:
    night = Night(tmp_path, server, delta={"mode": "changed"})
    loans = {each: {"amount": 1} for each in fresh_ids(100, "loan_")}
    write_ndjson(night.path, loans)
    assert (await sync(night.settings)).doubts == []
    write_ndjson(night.path, loans | {each: {"amount": 2} for each in list(loans)[:changed]})
    doubts = (await sync(night.settings)).doubts
    assert len(doubts) == expected
    assert all("60 of 100 records differ from what was acknowledged" in doubt for doubt in doubts)
