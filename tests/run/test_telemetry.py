"""What a run looks like from outside survives the process that saw it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.api.verdict import Settled, Trouble, TryAgain
from engine.api.wire import Reply
from engine.pipeline.sending import Answer, Attempt, Request
from engine.run.clock import WorkClock
from engine.run.telemetry import Telemetry
from engine.state.journal import Run
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RequestCounts
from engine.values.stopping import Stop
from tests.fakes import traffic_of


def telemetry(earlier: Mapping[str, Any], *, bytes_sent: int = 0) -> Telemetry:
    return Telemetry(earlier, traffic=traffic_of(Stop()), clock=WorkClock(0.0), bytes_sent=lambda: bytes_sent)


def attempt(status: int, latency_s: float) -> Attempt:
    verdict = TryAgain("HTTP 429", Trouble.THROTTLED, status) if status == 429 else Settled()
    return Attempt(Request(b"{}", ["a"]), Answer(Reply(status, {}, b""), verdict), 0.0, latency_s, 1)


async def test_a_killed_run_goes_on_from_what_was_saved(tmp_path: Path) -> None:
    seen = telemetry({"quiet_s": 1.5, "retries": 2}, bytes_sent=900)
    for status, latency_s in ((200, 0.1), (200, 0.3), (429, 0.01)):
        seen.observe(attempt(status, latency_s))
    journal = SqliteJournal(tmp_path)
    run = Run("20261123T020000Z-000000", "sync", "c", "2026-11-23T02:00:00.000Z", {})
    journal.begin(run)
    counts = RequestCounts(sent=3, succeeded=2, throttled=1)
    journal.save_telemetry(run, worked_s=12.0, requests=counts, telemetry=seen.to_json())
    journal.close()
    journal = SqliteJournal(tmp_path)
    found = journal.unfinished_run("sync")
    journal.close()
    assert found is not None
    assert (found.worked_s, found.requests.sent) == (12.0, 3)
    resumed = telemetry(found.telemetry, bytes_sent=50)
    assert (resumed.throttled_s, resumed.bytes_sent, resumed.retries) == (1.5, 950, 2)
    assert resumed.statuses == {"200": 2, "429": 1}
    assert (resumed.latencies.count, resumed.latencies.max_ms) == (3, 300.0)


async def test_it_hears_of_every_attempt_and_samples_what_is_new() -> None:
    seen = telemetry({})
    seen.begin(updated=100)
    for observe in seen._traffic.observers:
        observe(attempt(200, 0.2))
    seen.sample(updated=110)
    seen.sample(updated=110)
    first, second = seen.timeline.samples
    assert (first.updated, first.requests, first.latency_ms) == (10, 1, 200.0)
    assert (second.updated, second.requests, second.latency_ms) == (0, 0, None)
