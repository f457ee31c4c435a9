"""What a run looks like from outside survives the process that saw it."""

from __future__ import annotations

from pathlib import Path

from engine.api.wire import Reply
from engine.pacing.limiter import Signal
from engine.report.report import Pacing
from engine.run.telemetry import Telemetry
from engine.state.journal import Run
from engine.state.sqlite_journal import SqliteJournal
from engine.values.counts import RequestCounts


def seen() -> Telemetry:
    telemetry = Telemetry()
    for status, latency_s in ((200, 0.1), (200, 0.3), (429, 0.01)):
        telemetry.observe(
            Signal(started_at=0.0, finished_at=latency_s, records=1, throttled=status == 429), Reply(status, {}, b"")
        )
    return telemetry


def test_a_killed_run_goes_on_from_what_was_saved(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    run = Run("20261123T020000Z-000000", "sync", "c", "2026-11-23T02:00:00.000Z", {})
    journal.begin(run)
    saved = seen().to_json(Pacing(), quiet_s=1.5, bytes_sent=900, retries=2)
    journal.save_telemetry(
        run, worked_s=12.0, requests=RequestCounts(sent=3, succeeded=2, throttled=1), telemetry=saved
    )
    journal.close()
    journal = SqliteJournal(tmp_path)
    found = journal.unfinished_run("sync")
    journal.close()
    assert found is not None
    assert (found.worked_s, found.requests.sent) == (12.0, 3)
    resumed = Telemetry(earlier=dict(found.telemetry))
    assert (resumed.quiet_s, resumed.bytes_sent, resumed.retries) == (1.5, 900, 2)
    assert resumed.statuses == {"200": 2, "429": 1}
    assert (resumed.latencies.count, resumed.latencies.max_ms) == (3, 300.0)
