"""The accounts told: as values, as words, as a page."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.report.campaign_wording import named
    from engine.report.delta_wording import ledger_text
    from engine.report.figures import COMPARED, Figure, change_text, count_text, margin_s, percent_text, throttled_share
    from engine.report.formatting import (
        REPORT_REASON_CHARACTERS,
        age_text,
        bytes_text,
        counted,
        local,
        moment_text,
        night_text,
        rate_text,
        seconds_text,
        share_text,
        shown,
        with_short_reasons,
        zone_text,
    )
    from engine.report.history import INDEX_HTML, Night, latest_report, nights, read_report, write_report
    from engine.report.history_page import write_history
    from engine.report.holdups import ISOLATING, LATE_COPIES, OUTAGE, SILENCE, STOPPING, Holdup, HoldupRecorder
    from engine.report.measured import Latency, LatencyHistogram, ProcessStart, Sample, TimelineRecorder, bucket_of
    from engine.report.report import (
        FULL_ASKED_FOR,
        GONE_FILE,
        LIMIT_MOVES_MAX,
        REPORT_HTML,
        REPORT_JSON,
        Ambiguous,
        CampaignReport,
        DeltaFacts,
        EngineFacts,
        Gone,
        LimitMove,
        Pacing,
        Report,
        RunStatus,
        from_json,
        iso,
        new_run_id,
        status_of,
        to_json,
    )
    from engine.report.source import Input, Unread
    from engine.report.summary import render_summary, wants_color
    from engine.report.trend import Missed, Trend, kind_of, trends
    from engine.report.unread_wording import unread_text
    from engine.report.wording import guard_override, next_steps, stop_reason, verdict, why_failed
else:
    __getattr__ = lazy_face(__name__)
