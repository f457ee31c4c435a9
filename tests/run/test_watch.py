"""The watch over a run: it shows, samples, warns and stops at the deadline, and is over when the run is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engine.api.wire import NoReply, Reply
from engine.outlets.progress import ProgressSnapshot
from engine.pipeline.accounts import Accounts
from engine.pipeline.retried import Retried
from engine.report.holdups import Holdup
from engine.run.clock import Deadline, WorkClock
from engine.run.lifecycle import carry_out
from engine.run.telemetry import SAMPLE_S, Telemetry
from engine.run.watch import TICK_S, Watch
from engine.simulator.process import StandInProcess
from engine.values import ChunkResult
from engine.values.counts import ChunkCounts, RecordCounts
from engine.values.errors import Interrupted
from engine.values.stopping import Stop
from tests.fakes import FakeBulkApi, chunk_of, traffic_of
from tests.pipeline.senders import REQUEST
from tests.run.nights import Night as WholeNight
from tests.run.runs import Shown
from tests.simulation.virtual_time import VirtualLoop, run


class Night:
    """A run that is watched. Needs a running loop; its deadline is in `deadline_s` seconds."""

    def __init__(self, *, deadline_s: int | None = None, total_bytes: int | None = None) -> None:
        self.stop = Stop()
        self.display = Shown()
        self.accounts = Accounts(ChunkCounts())
        self.traffic = traffic_of(self.stop)
        clock = WorkClock(0.0)
        self.telemetry = Telemetry({}, traffic=self.traffic, clock=clock, bytes_sent=lambda: 0)
        now = datetime(2026, 11, 23, 2, 0).astimezone()
        at = None if deadline_s is None else (now + timedelta(seconds=deadline_s)).time()
        self.watch = Watch(
            accounts=self.accounts,
            traffic=self.traffic,
            telemetry=self.telemetry,
            clock=clock,
            deadline=Deadline(at, clock.now, now),
            total_bytes=total_bytes,
            display=self.display,
            stop=self.stop,
        )

    def deliver(self, records: int, source_bytes: int = 0) -> None:
        """Read a chunk of so many records and call it durable."""
        chunk = chunk_of(*(f"loan_{number}" for number in range(records)))
        chunk.source_bytes = source_bytes
        self.accounts.settle([ChunkResult(each) for each in self.accounts.reading([chunk])])


def watched(body: Callable[[Night], Awaitable[None]], **night: int) -> Night:
    """Do `body` under watch, in virtual time."""

    async def work() -> Night:
        made = Night(**night)
        async with made.watch.kept():
            await body(made)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return made

    return run(work(), VirtualLoop())


def test_it_samples_every_second_and_once_more_at_the_end() -> None:
    async def body(night: Night) -> None:
        await asyncio.sleep(0.5)
        for _ in range(3):
            night.deliver(10)
            await asyncio.sleep(SAMPLE_S)
        night.deliver(5)

    samples = watched(body).telemetry.timeline.samples
    assert [sample.updated for sample in samples] == [10, 10, 10, 5]
    assert [sample.t_s for sample in samples] == [pytest.approx(at, abs=TICK_S + 0.01) for at in (1, 2, 3, 3.5)]


def test_it_shows_how_far_the_run_is() -> None:
    async def body(night: Night) -> None:
        night.deliver(10, source_bytes=400)
        await asyncio.sleep(1.1)
        last = night.display.snapshots[-1]
        assert (last.records_read, last.records_done, last.source_bytes_read, last.source_bytes_total) == (
            10, 10, 400, 1_000,
        )  # fmt: skip
        assert (last.source_bytes_done, last.source_bytes_skipped) == (400, 0)
        assert last.elapsed_s == pytest.approx(1, abs=0.01)
        assert last.waiting is None
        assert len(night.display.snapshots) == 5

    watched(body, total_bytes=1_000)


def test_a_resumed_run_has_read_no_less_than_it_has_done() -> None:
    async def body(night: Night) -> None:
        night.accounts.durable = ChunkCounts(read=30)  # by an earlier process; this one has just begun to read
        await asyncio.sleep(0.1)
        assert night.display.snapshots[-1].records_read == 30

    watched(body)


def test_the_last_look_is_at_the_end() -> None:
    async def body(night: Night) -> None:
        await asyncio.sleep(0.1)
        night.deliver(7)

    night = watched(body)
    assert night.display.snapshots[-1].records_done == 7
    assert night.display.closed == 1


@pytest.mark.parametrize("after_s", [None, 0.0, 1.0], ids=["at once", "in the first turn", "later"])
def test_the_display_is_closed_when_the_run_fails(after_s: float | None) -> None:
    async def fail(night: Night) -> None:
        async with night.watch.kept():
            if after_s is not None:
                await asyncio.sleep(after_s)
            raise ZeroDivisionError

    async def work() -> None:
        night = Night()
        with pytest.raises(ZeroDivisionError):
            await fail(night)
        assert night.display.closed == 1
        assert night.display.snapshots
        assert night.telemetry.timeline.samples
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(work(), VirtualLoop())


def test_the_deadline_stops_the_run() -> None:
    async def body(night: Night) -> None:
        await night.stop.wait()
        assert asyncio.get_running_loop().time() == pytest.approx(90, abs=TICK_S + 0.01)
        assert isinstance(night.stop.error, Interrupted)
        assert "upload.deadline" in str(night.stop.error)

    watched(body, deadline_s=90)


def test_without_a_deadline_nothing_stops_it() -> None:
    async def body(night: Night) -> None:
        await asyncio.sleep(2_000)
        assert not night.stop.requested

    watched(body)


def test_who_will_be_late_is_warned_once_and_told_as_long_as_it_is_so(caplog: pytest.LogCaptureFixture) -> None:
    async def body(night: Night) -> None:
        for _ in range(20):
            night.deliver(1, source_bytes=1)
            await asyncio.sleep(1)
        assert [shown.deadline_forecast for shown in night.display.snapshots[-5:]] != [None] * 5

    with caplog.at_level(logging.WARNING, "engine"):
        watched(body, deadline_s=120, total_bytes=10_000)  # two minutes for what takes some hours
    assert [record.getMessage() for record in caplog.records] == ["deadline_at_risk"]


def test_who_will_be_in_time_is_not_warned(caplog: pytest.LogCaptureFixture) -> None:
    async def body(night: Night) -> None:
        for _ in range(20):
            night.deliver(1, source_bytes=1)
            await asyncio.sleep(1)

    with caplog.at_level(logging.WARNING, "engine"):
        watched(body, deadline_s=120, total_bytes=60)
    assert not caplog.records


class Broken(Shown):
    """A display that fails whenever something is to be shown, and again when it is closed."""

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        super().update(snapshot, now=now)
        raise TypeError

    def close(self) -> None:
        super().close()
        raise TypeError


def test_a_display_that_fails_takes_neither_the_samples_nor_the_deadline_with_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(night: Night) -> None:
        await night.stop.wait()
        assert isinstance(night.stop.error, Interrupted)

    monkeypatch.setattr("tests.run.test_watch.Shown", Broken)
    night = watched(body, deadline_s=5)
    assert len(night.telemetry.timeline.samples) >= 5
    assert len(night.display.snapshots) > 5 / TICK_S
    assert night.display.closed == 1
    assert [record.getMessage() for record in caplog.records] == ["not_shown"]


def test_a_bug_in_what_is_looked_at_leaves_the_display_closed_and_the_run_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(night: Night) -> None:
        night.accounts.durable = None  # type: ignore[assignment]  # whoever looks at it fails
        await asyncio.sleep(2)

    night = watched(body)
    assert night.display.closed == 1
    assert [record.getMessage() for record in caplog.records] == ["not_shown"]


async def test_a_run_whose_display_fails_delivers_and_reports_like_any_other(
    tmp_path: Path, server: StandInProcess
) -> None:
    night, display = WholeNight(tmp_path, server), Broken()
    report = await carry_out(lambda _journal: night.job(), night.settings, stop=Stop(), display=display)
    assert (report.exit_code, report.records) == (0, RecordCounts(read=30, updated=30))
    assert (night.settings.state.dir / "runs" / report.run_id / "report.json").exists()
    assert display.closed == 1


def waiting(api: FakeBulkApi, after_s: float, *, stopped: bool = False) -> str | None:
    """Why nothing is sent, `after_s` seconds after a request to `api`."""

    async def body(night: Night) -> None:
        sending = asyncio.ensure_future(keep_sending(night.traffic.over(api)))
        if stopped:
            night.stop.request(Interrupted("SIGTERM"))
        await asyncio.sleep(after_s)
        reasons.append(night.display.snapshots[-1].waiting)
        sending.cancel()
        await asyncio.wait([sending])

    reasons: list[str | None] = []
    watched(body)
    return reasons[0]


async def keep_sending(way: Retried) -> None:
    while True:
        await way.settle(REQUEST)


def test_it_says_why_nothing_is_sent() -> None:
    assert waiting(FakeBulkApi(latency_s=60), 10) is None
    silence = waiting(FakeBulkApi(Reply(429, {"retry-after": "60"})), 10.1)
    assert silence == "the API asked for silence, 50 s left"
    outage = waiting(FakeBulkApi(behaviour=lambda _: NoReply("refused")), 60.1)
    assert outage == "the API has been failing for 60 s, probing"
    assert waiting(FakeBulkApi(latency_s=60), 10, stopped=True) == "finishing what is in flight"


def held_up(api: FakeBulkApi, after_s: float, *, stopped: bool = False) -> list[Holdup]:
    """What has held the run up, `after_s` seconds after a request to `api`."""

    async def body(night: Night) -> None:
        sending = asyncio.ensure_future(keep_sending(night.traffic.over(api)))
        if stopped:
            night.stop.request(Interrupted("SIGTERM"))
        await asyncio.sleep(after_s)
        sending.cancel()
        await asyncio.wait([sending])

    return watched(body).telemetry.holdups.holdups


def test_it_notes_what_holds_the_run_up() -> None:
    assert held_up(FakeBulkApi(latency_s=60), 10) == []
    [silence] = held_up(FakeBulkApi(Reply(429, {"retry-after": "60"})), 50)
    assert silence.kind == "silence"
    assert silence.t_s == pytest.approx(0, abs=TICK_S)
    assert silence.held_s == pytest.approx(50, abs=1)
    [outage] = [
        each for each in held_up(FakeBulkApi(behaviour=lambda _: NoReply("refused")), 60.1) if each.kind == "outage"
    ]
    assert outage.t_s == pytest.approx(0, abs=TICK_S)
    assert outage.end_s == pytest.approx(60, abs=0.5)
    [stopping] = held_up(FakeBulkApi(latency_s=60), 10, stopped=True)
    assert stopping.kind == "stopping"
    assert stopping.end_s == pytest.approx(10, abs=TICK_S)
