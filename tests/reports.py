"""Reports to test with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.report.measured import Latency, Sample
from engine.report.report import DeltaFacts, Gone, LimitMove, Pacing, Report, RunStatus
from engine.values.counts import Reason, RecordCounts, RequestCounts

RUN_ID = "20261123T020000Z-07b3f9"


def partial_report(**changes: Any) -> Report:
    """Return the report of a night with 19 records that were not accepted."""
    report = Report(
        run_id=RUN_ID,
        status=RunStatus.PARTIAL,
        exit_code=3,
        campaign_id="69bd2c",
        started_at="2026-11-23T02:00:00.000Z",
        finished_at="2026-11-23T02:07:35.412Z",
        duration_s=449.5,
        resumes=1,
        records=RecordCounts(read=4_210_000, invalid=7, superseded=1_205, updated=4_208_776, rejected=9, unknown=3),
        requests=RequestCounts(sent=4_290, succeeded=4_221, throttled=41, failed=28, split=29),
        reasons=[
            Reason("rejected", "emi_due_date: not a date", 8, ["LN-000123", "LN-004412"]),
            Reason("invalid", "data: not an object", 7, ["<img src=x onerror=alert(1)>"]),
            Reason("unknown", "the reply names no record", 3, ["LN-77", "LN-78", "LN-79"]),
            Reason("rejected", "no such loan", 1, ["LN-5"]),
        ],
        source="portfolio.csv.gz",
        config_path="night.toml",
        latency_ms=Latency(312.0, 540.2, 812.5, 2210.0),
        throttled_s=12.4,
        bytes_sent=641_000_000,
        pacing=Pacing(9.6, 8, [LimitMove(12.0, "9.6 requests/s", "429 Too Many Requests")]),
        timeline=[
            Sample(
                t_s=float(t),
                updated=9_000,
                requests=9,
                throttled=int(t % 7 == 0),
                retried=int(t % 7 == 1),
                latency_ms=310.0,
            )
            for t in range(1, 450)
        ],
    )
    return replace(report, **changes)


def succeeded_report(**changes: Any) -> Report:
    """Return the report of a night on which all went well."""
    report = partial_report(
        status=RunStatus.SUCCEEDED,
        exit_code=0,
        resumes=0,
        records=RecordCounts(read=1_000_000, updated=1_000_000),
        requests=RequestCounts(sent=100, succeeded=100),
        reasons=[],
        throttled_s=0.0,
        pacing=Pacing(),
    )
    return replace(report, **changes)


def delta_report(**changes: Any) -> Report:
    """Return the report of a night that has sent only what had changed, and listed whom the source holds no more."""
    report = succeeded_report(
        records=RecordCounts(read=1_000_000, updated=20_000, unchanged=980_000),
        requests=RequestCounts(sent=2, succeeded=2),
        gone=Gone(found=120, new=100, pending=120),
        delta=DeltaFacts(mode="changed", ledger_records=1_000_120, last_full_at="2026-11-20T02:00:00.000Z"),
    )
    return replace(report, **changes)
