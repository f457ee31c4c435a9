"""The accounts told: as values, as words, as a page."""

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.report.delta_wording import ledger_text
    from engine.report.formatting import age_text, bytes_text, counted, moment_text, rate_text, seconds_text, shown
    from engine.report.history import Night, latest_report, nights, read_report, write_report
    from engine.report.measured import LatencyHistogram, Sample, TimelineRecorder
    from engine.report.report import (
        FULL_ASKED_FOR,
        GONE_FILE,
        LIMIT_MOVES_MAX,
        REPORT_JSON,
        Ambiguous,
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
    from engine.report.unread_wording import unread_text
    from engine.report.wording import next_steps, verdict
else:
    __getattr__ = lazy_face(__name__)
