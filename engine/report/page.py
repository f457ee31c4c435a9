"""The report page: the whole morning after in one HTML file that needs nothing else, runs nothing and can be mailed.

What it says is made here, how it looks stands in `templates/`. Everything that came from outside (ids, reasons, names)
is text there: control characters are made visible, the rest is escaped, and a policy in the page forbids scripts and
requests besides.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from engine.report.campaign_wording import COLUMNS, figures, named, ranked
from engine.report.charts import charts
from engine.report.delta_wording import delta_rows
from engine.report.formatting import bytes_text, counted, moment_text, ms_text, rate_text, seconds_text
from engine.report.report import CampaignReport, Report, RunStatus
from engine.report.templating import template
from engine.report.unread_wording import unread_about, unread_text
from engine.report.wording import find_command, headline, limits_text, next_steps
from engine.values import NOT_ACCEPTED, STATE_MEANINGS

REASONS_MAX = 50
"""The most reasons on the page; `report.json` has them all."""

MOVES_MAX = 30
"""The most moves of learned limits on the page, the latest ones."""

REASON_CHANGES_MAX = 10
"""The most reasons that are listed as new, and as gone."""

MARKS = {
    RunStatus.SUCCEEDED: ("good", "✓"),
    RunStatus.PARTIAL: ("warn", "!"),
    RunStatus.INTERRUPTED: ("warn", "…"),
    RunStatus.FAILED: ("bad", "✕"),
}
"""How each status is shown: its colour, and a mark for those who see no colours."""


def render_page(report: Report, previous: Report | None = None, zone: tzinfo | None = None) -> str:
    """Return the page; `previous` is the run before, to say what is new.

    The times of day of its charts are in `zone`, by default that of this machine.
    """
    tone, mark = MARKS[report.status]
    return template("page.html.j2").render(
        report=report,
        previous=previous,
        tone=tone,
        mark=mark,
        headline=headline(report),
        facts=_facts(report),
        tiles=_tiles(report),
        steps=next_steps(report),
        find=find_command(report),
        charts=charts(report, zone),
        delta=delta_rows(report),
        campaigns=_campaigns(report),
        campaign_columns=COLUMNS,
        **_sums(report),
        **_reasons(report),
        **_limits(report),
        **(_changes(report, previous) if previous else {}),
    )


def _campaigns(report: Report) -> list[tuple[CampaignReport, str, list[int]]]:
    """Return each campaign, where there are many, with the tone of its status and its figures."""
    return [(each, MARKS[each.status][0], figures(each)) for each in ranked(report.campaigns)]


def _facts(report: Report) -> list[tuple[str, str]]:
    return [
        ("Run", report.run_id + (" (replay)" if report.kind == "replay" else "")),
        ("Campaign", named(report)),
        ("Source", report.source),
        ("Started", moment_text(report.started_at)),
        ("Ended", moment_text(report.finished_at)),
    ]


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """Return what is seen first: a name, a figure and a note each."""
    requests, latency = report.requests, report.latency_ms
    resumed = f"resumed {counted(report.resumes, 'time')}" if report.resumes else "without a break"
    isolating = f", {requests.split:,} to isolate" if requests.split else ""
    unchanged = f"; {report.records.unchanged:,} unchanged" if report.records.unchanged else ""
    tiles = [
        ("Updated", f"{report.records.updated:,}", f"of {report.records.read:,} read{unchanged}"),
        ("Not accepted", f"{report.not_accepted:,}", " or ".join([", ".join(NOT_ACCEPTED[:-1]), NOT_ACCEPTED[-1]])),
        ("Time worked", seconds_text(report.duration_s), resumed),
        ("Rate", f"{rate_text(report.records_per_s)}/s", f"records; {bytes_text(report.bytes_sent)} sent"),
        ("Requests", f"{requests.sent:,}", f"{requests.throttled:,} throttled, {requests.failed:,} failed{isolating}"),
    ]
    if latency:
        spread = f"95% {ms_text(latency.p95)}, 99% {ms_text(latency.p99)}, most {ms_text(latency.max)}"
        tiles.append(("Latency, median", ms_text(latency.p50), spread))
    return tiles


def _sums(report: Report) -> dict[str, Any]:
    """Return the sums, for one bar and a table; a sliver of the bar is drawn wide enough to be seen."""
    records = report.records
    states = [(state, getattr(records, state), meaning) for state, meaning in STATE_MEANINGS.items()]
    unread, about = unread_text(report), unread_about(report) or 0
    spoken = [f"{count:,} {state}" for state, count, _ in states if count]
    return {
        "states": [*states, ("unread", about, "")],
        "rows": [("read", records.read, "from the source"), *(row for row in states if row[1] or row[0] == "updated")],
        "unread": unread,
        "spoken": ", ".join([*spoken, f"not read: {unread}"] if unread else spoken),
        "thin": any(0 < count < (records.read + about) / 300 for _, count, _ in states),
    }


def _reasons(report: Report) -> dict[str, Any]:
    ranked = sorted(report.reasons, key=lambda r: (-r.count, r.outcome, r.reason))
    return {"reasons": ranked[:REASONS_MAX], "more_reasons": len(ranked[REASONS_MAX:])}


def _limits(report: Report) -> dict[str, Any]:
    moves = report.pacing.moves
    latest = moves[-MOVES_MAX:]
    return {"limits": limits_text(report), "moves": latest, "earlier_moves": len(moves) - len(latest)}


def _changes(new: Report, old: Report) -> dict[str, Any]:
    """Say what is new since the run before: sums, pace, and reasons that came or went."""
    known, seen = ({(r.outcome, r.reason) for r in each.reasons} for each in (old, new))
    came_and_went = [(name, sorted(keys)) for name, keys in (("New", seen - known), ("Gone", known - seen)) if keys]
    return {
        "changes": [
            f"{_change(new.records.read - old.records.read, 'record')} read, "
            f"{_change(new.not_accepted - old.not_accepted, 'record')} not accepted.",
            f"{rate_text(new.records_per_s)} records a second, {rate_text(old.records_per_s)} before; "
            f"{seconds_text(new.duration_s)}, {seconds_text(old.duration_s)} before.",
        ],
        "reason_changes": [
            (name, keys[:REASON_CHANGES_MAX], len(keys) > REASON_CHANGES_MAX) for name, keys in came_and_went
        ],
        "no_new_reasons": bool(seen) and not seen - known,
    }


def _change(by: int, noun: str) -> str:
    return f"{counted(abs(by), noun)} {'more' if by > 0 else 'fewer'}" if by else f"as many {noun}s"
