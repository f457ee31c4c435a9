"""The accounts told: as values, as words, as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.values import lazy_face

if TYPE_CHECKING:
    from engine.report.files import write_report as write_report
    from engine.report.history import Night as Night, nights as nights, previous_report as previous_report
    from engine.report.latency import LatencyHistogram as LatencyHistogram
    from engine.report.report import (
        LIMIT_MOVES_MAX as LIMIT_MOVES_MAX,
        REPORT_JSON as REPORT_JSON,
        LimitMove as LimitMove,
        Pacing as Pacing,
        Report as Report,
        RunStatus as RunStatus,
        from_json as from_json,
        iso as iso,
        new_run_id as new_run_id,
        status_of as status_of,
        to_json as to_json,
    )
    from engine.report.summary import render_summary as render_summary, wants_color as wants_color
    from engine.report.timeline import Sample as Sample, TimelineRecorder as TimelineRecorder
    from engine.report.wording import (
        bytes_text as bytes_text,
        counted as counted,
        moment_text as moment_text,
        next_steps as next_steps,
        rate_text as rate_text,
        seconds_text as seconds_text,
        shown as shown,
        verdict as verdict,
    )
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "files": "write_report",
            "history": "Night nights previous_report",
            "latency": "LatencyHistogram",
            "report": (
                "LIMIT_MOVES_MAX LimitMove Pacing REPORT_JSON Report RunStatus from_json iso new_run_id "
                "status_of to_json"
            ),
            "summary": "render_summary wants_color",
            "timeline": "Sample TimelineRecorder",
            "wording": "bytes_text counted moment_text next_steps rate_text seconds_text shown verdict",
        },
    )
