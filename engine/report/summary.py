"""The end of a run on a terminal: the verdict first, then the sums, then what to type next; plain text or ANSI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from engine.report.campaign_wording import campaign_table
from engine.report.delta_wording import delta_rows
from engine.report.formatting import (
    bytes_text,
    counted,
    example_ids,
    ms_text,
    rate_text,
    seconds_text,
    shown,
    with_short_reasons,
)
from engine.report.report import GONE_FILE, REPORT_HTML, Report, RunStatus
from engine.report.unread_wording import unread_text
from engine.report.wording import limits_text, next_steps, verdict
from engine.state import REJECTED, REJECTED_CSV
from engine.values import STATE_MEANINGS, Reason

CAMPAIGNS_MAX = 20
"""The most campaigns the summary lists; the report page and `report.json` have them all."""

REASONS_MAX = 10
"""The most reasons the summary lists; the report page and `report.json` have them all."""

_VERDICT_STYLES = {
    RunStatus.SUCCEEDED: "1;32",  # bold green
    RunStatus.PARTIAL: "1;33",  # bold yellow
    RunStatus.INTERRUPTED: "1;33",
    RunStatus.FAILED: "1;31",  # bold red
}


def wants_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether colours are wanted on `stream` (see no-color.org; a dumb terminal has none)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def render_summary(report: Report, *, run_dir: Path, config_path: str, color: bool = False, width: int = 100) -> str:
    """Return the summary of a run, in lines of about `width` characters, ending in a newline.

    `run_dir` is where its files are; `config_path` is the configuration as the user named it.
    """
    pen = _Pen(color)
    sections = [
        [pen.style(shown(verdict(report), 1000), _VERDICT_STYLES[report.status])],
        _closed(report, pen),
        _sums(report, pen),
        _campaigns(report, pen),
        [f"  {name:<10}  {text}" for name, text in delta_rows(report)],
        _doubts(report, pen, width),
        _effort(report, pen),
        _reasons(report.reasons, pen, width),
        _files(report, run_dir, pen),
        _next(report, config_path, pen),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Pen:
    """Writes with ANSI styles, or plainly."""

    color: bool

    def style(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text

    def title(self, text: str) -> str:
        return self.style(text, "1")

    def aside(self, text: str) -> str:
        return self.style(text, "2")


def _closed(report: Report, pen: _Pen) -> list[str]:
    words = f"Closed by run {report.closed_by}, which began instead of going on with it."
    return [pen.aside(words)] if report.closed_by else []


def _sums(report: Report, pen: _Pen) -> list[str]:
    """Say what became of the records: read and updated always, the other states only where there are any."""
    records = report.records
    shares = [("read", records.read, f"from {shown(report.source)}" if report.source else "")]
    for state, meaning in STATE_MEANINGS.items():
        count = getattr(records, state)
        if count or state == "updated":
            shares.append((state, count, meaning))
    if records.filtered:
        by = "source.where or [route]" if report.campaigns else "source.where"
        shares.append(("filtered", records.filtered, f"left out by {by}, not read"))
    digits = max(len(f"{count:,}") for _, count, _ in shares)
    lines = [f"  {name:<10}  {count:>{digits},}  {pen.aside(note)}".rstrip() for name, count, note in shares]
    unread = unread_text(report)
    return [*lines, f"  {'not read':<10}  {unread}"] if unread else lines


def _campaigns(report: Report, pen: _Pen) -> list[str]:
    """Say what became of each campaign, where there are many: the first ones, those that failed before others."""
    lines = campaign_table(report, CAMPAIGNS_MAX)
    return [pen.title(lines[0]), *lines[1:]] if lines else []


def _doubts(report: Report, pen: _Pen, width: int) -> list[str]:
    """Say what a person should look at in the source."""
    lines = [pen.style("Please look at the source", "1;33")]
    return [*lines, *(f"  ! {shown(doubt, 1000)}" for doubt in report.doubts)] if report.doubts else []


def _effort(report: Report, pen: _Pen) -> list[str]:
    """Say what it took: time and rate, requests, latencies, retries, limits."""
    rows = [("took", _took(report))]
    if report.requests.sent:
        rows.append(("requests", _requests(report)))
    if latency := report.latency_ms:
        spread = f"95% within {ms_text(latency.p95)}, 99% within {ms_text(latency.p99)}, slowest {ms_text(latency.max)}"
        rows.append(("latency", f"median {ms_text(latency.p50)}, {spread}"))
    if report.throttled_s >= 0.05:
        rows.append(("held back", f"{seconds_text(report.throttled_s)}, because the API asked for it"))
    if limits := limits_text(report):
        rows.append(("limits", limits))
    return [f"  {name:<10}  {text}" for name, text in rows]


def _took(report: Report) -> str:
    parts = [seconds_text(report.duration_s)]
    if report.records.unchanged and report.duration_s:
        settled = report.records.sent + report.records.unchanged
        parts.append(
            f"{rate_text(settled / report.duration_s)} records/s, {rate_text(report.records_per_s)} of them sent"
        )
    elif report.records.sent:
        parts.append(f"{rate_text(report.records_per_s)} records/s")
    if report.bytes_sent:
        parts.append(f"{bytes_text(report.bytes_sent)} sent")
    if report.resumes:
        parts.append(f"resumed {counted(report.resumes, 'time')}")
    return ", ".join(parts)


def _requests(report: Report) -> str:
    requests = report.requests
    counts = {"succeeded": requests.succeeded, "throttled": requests.throttled, "failed": requests.failed}
    outcomes = [f"{count:,} {name}" for name, count in counts.items() if count]
    isolating = f"; {requests.split:,} of them to isolate records" if requests.split else ""
    doubtful = f"; the end of {report.ambiguous.attempts:,} is unknown" if report.ambiguous.attempts else ""
    return f"{requests.sent:,}: {', '.join(outcomes)}{isolating}{doubtful}"


def _reasons(reasons: list[Reason], pen: _Pen, width: int) -> list[str]:
    """List why records were not accepted, the most frequent first, each with a few ids to look at."""
    if not reasons:
        return []
    ranked = sorted(reasons, key=lambda r: (-r.count, r.outcome, r.reason))[:REASONS_MAX]
    digits = max(len(f"{r.count:,}") for r in ranked)
    indent = " " * (digits + 14)
    room = max(width - len(indent), 20)
    lines = [pen.title("Not accepted")]
    for reason in with_short_reasons(ranked, room):
        lines.append(f"  {reason.count:>{digits},}  {reason.outcome:<8}  {reason.reason}")
        if ids := example_ids(reason):
            lines.append(indent + pen.aside(_ids_text(ids, room)))
    if len(reasons) > REASONS_MAX:
        lines.append(f"  and {counted(len(reasons) - REASONS_MAX, 'more reason')} in the report")
    return lines


def _ids_text(ids: Sequence[str], room: int) -> str:
    """Return as many whole ids as there is room for, one at least: half an id would be searched for in vain."""
    text = f"id {ids[0]}"
    for position, each in enumerate(ids[1:], 2):
        more = "" if position == len(ids) else ", ..."
        if len(f"{text}, {each}{more}") > room:
            return shown(f"{text}, ...", room)
        text = f"{text}, {each}"
    return shown(text, room)


def _files(report: Report, run_dir: Path, pen: _Pen) -> list[str]:
    rejects = report.not_accepted
    there = {REPORT_HTML: True, REJECTED: rejects, REJECTED_CSV: rejects, GONE_FILE: report.gone.found}
    names = [name for name, is_there in there.items() if is_there]
    return [pen.title("Files"), *(f"  {run_dir / name}" for name in names)]


def _next(report: Report, config_path: str, pen: _Pen) -> list[str]:
    steps = next_steps(report, config_path)
    lines = [f"  {step.why}" + (f"\n    {pen.title(step.command)}" if step.command else "") for step in steps]
    return [pen.title("Next"), *lines] if lines else []
