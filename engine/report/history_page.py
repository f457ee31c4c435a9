"""The page of all nights: the last ones and their trend, in one HTML file that needs nothing else and runs nothing.

It is made like the report page (see `page.py`), and each night on it leads to its report. It holds counts, times and
reasons, as reports do, and no ids of records.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.report import figures
from engine.report.figures import Figure, name_of
from engine.report.formatting import counted, local, night_text, shown, zone_text
from engine.report.history import Night
from engine.report.history_charts import history_charts, sparkline
from engine.report.page import MARKS
from engine.report.report import REPORT_HTML
from engine.report.templating import template
from engine.report.trend import NIGHTS_MAX, USUAL_JUDGED_FROM, Missed, Trend, kind_of, trends
from engine.report.wording import stop_reason, verdict
from engine.state import write_private_file
from engine.values import STATE_MEANINGS

CAMPAIGNS_MAX = 5
"""The trends of so many campaigns at most are on the page."""

ROWS_MAX = 3 * NIGHTS_MAX
"""The most rows in its table: runs that do not compare stand there, too."""

_MARKS = {status.value: mark for status, mark in MARKS.items()} | {
    "crashed": ("bad", "✕"),
    "unreadable": ("bad", "?"),
    "running": ("calm", "▸"),
    "missed": ("bad", "–"),
}

_COLUMNS = (
    *(figures.READ, figures.UPDATED, figures.UNCHANGED, figures.GONE, figures.NOT_ACCEPTED, figures.TOOK),
    *(figures.RATE, figures.THROTTLED, figures.LIMIT, figures.MARGIN),
)


_ALWAYS = (figures.READ, figures.UPDATED, figures.NOT_ACCEPTED, figures.TOOK, figures.RATE)
"""The columns that stand there even if nothing is in them."""


def write_history(found: Sequence[Night], page: Path, runs_link: str, zone: tzinfo | None = None) -> None:
    """Write the page of these nights, the oldest first; see `render_history`.

    Raises:
        StateFailed: it cannot be written; what was there before is untouched.
    """
    write_private_file(page, render_history(found, runs_link=runs_link, zone=zone).encode())


def render_history(
    found: Sequence[Night], *, runs_link: str, zone: tzinfo | None = None, now: datetime | None = None
) -> str:
    """Return the page of these nights, the oldest first.

    `runs_link` is the way from the page to the directory of all runs; times are told in `zone`, by default that of this
    machine; `now` is when the page is made.
    """
    made = (now or datetime.now(UTC)).astimezone(zone)
    links = _Links(runs_link)
    shown_trends = trends(found, zone, made)[:CAMPAIGNS_MAX]
    missed = sorted((each for trend in shown_trends for each in trend.missed), key=lambda each: each.at)
    columns = [figure for figure in _COLUMNS if figure in _ALWAYS or any(_cell(night, figure) for night in found)]
    return template("history.html.j2").render(
        head=_head(found, shown_trends, zone),
        usual_from=USUAL_JUDGED_FROM,
        made=f"{night_text(made)} {zone_text(made)}",
        sections=[_section(trend, links, zone) for trend in shown_trends],
        several=len({night.report.campaign_id for night in found if night.report}) > 1,
        columns=[figure.name for figure in columns],
        rows=_rows(found[-ROWS_MAX:], columns, missed, links, zone),
    )


class _Links:
    """Leads to the report pages of nights."""

    def __init__(self, runs_link: str) -> None:
        self._runs_link = quote(runs_link)

    def to(self, night: Night) -> str:
        """Return the link to the report page of a night; empty if there is none."""
        return f"{self._runs_link}/{quote(night.run_id, safe='')}/{REPORT_HTML}" if night.has_page else ""


def _head(found: Sequence[Night], shown_trends: Sequence[Trend], zone: tzinfo | None) -> dict[str, str]:
    """Return how things stand: whether tonight's run is missing, or else how the latest went."""
    if not found:
        return {"tone": "calm", "mark": "·", "line": "no runs yet", "text": "No run has begun here yet."}
    late = [trend.entries[-1] for trend in shown_trends if trend.entries and isinstance(trend.entries[-1], Missed)]
    if late:
        tone, mark = _MARKS["missed"]
        at = max(each.at for each in late if isinstance(each, Missed))
        return {"tone": tone, "mark": mark, "line": "missed", "text": f"No run has begun for {night_text(at)}."}
    latest = found[-1]
    tone, mark = _MARKS[latest.status]
    begun = local(latest.begun_at, zone)
    when = f"{night_text(begun)} {zone_text(begun)}" if begun else shown(latest.run_id)
    line = f"{when}: {latest.status}{_apart(latest)}"
    return {"tone": tone, "mark": mark, "line": line, "text": _story(latest, zone)}


def _story(night: Night, zone: tzinfo | None) -> str:
    """Return in a sentence or two how a night went."""
    report = night.report
    if night.problem:
        return "Its report cannot be read."
    if night.under_way:
        return "A run is under way."
    if night.crashed or report is None:
        seen = local(report.finished_at, zone) if report else None
        last = f", after {seen:%H:%M}" if seen else ""
        done = f" {counted(report.records.updated, 'record')} had been updated by then." if report else ""
        return f"Its process was killed{last}.{done} The same command goes on with it."
    return verdict(report)


def _apart(night: Night) -> str:
    """Return why a run is not compared with whole nights, in parentheses; empty if it is."""
    limit = night.report.limit if night.report else None
    parts = [night.kind] if night.kind != "sync" else []
    parts += [f"--limit {limit}"] if limit is not None else []
    return f" ({shown(', '.join(parts))})" if parts else ""


def _section(trend: Trend, links: _Links, zone: tzinfo | None) -> dict[str, Any]:
    """Return what is told of a campaign."""
    standings = [_standing(entry) for entry in trend.entries]
    return {
        "campaign": trend.campaign_id,
        "strip": _strip(trend, links, zone),
        "legend": [(*_MARKS[name], name, standings.count(name)) for name in _MARKS if name in standings],
        "tiles": _tiles(trend),
        "latest": _latest(trend, zone),
        "compared": len(trend.before),
        "charts": history_charts(trend, zone),
        "states": [state for state in STATE_MEANINGS if any(_has(night, state) for night in trend.nights)],
        "span": _span(trend, zone),
        "reasons": [(each, figures.count_text(each.usual), sparkline(each)) for each in trend.reasons()],
    }


def _standing(entry: Night | Missed) -> str:
    return entry.status if isinstance(entry, Night) else "missed"


def _has(night: Night, state: str) -> bool:
    return night.report is not None and getattr(night.report.records, state) > 0


def _strip(trend: Trend, links: _Links, zone: tzinfo | None) -> list[dict[str, str]]:
    """Return a mark for each night, with the day beneath it, and the month where one begins."""
    cells, month = [], ""
    for entry in trend.entries:
        begun = local(entry.begun_at, zone) if isinstance(entry, Night) else entry.at
        day = f"{begun.day}" if begun else "?"
        if begun and f"{begun:%b}" != month:
            month = f"{begun:%b}"
            day = f"{begun.day} {month}"
        name = name_of(entry, zone) if isinstance(entry, Night) else night_text(entry.at)
        tone, mark = _MARKS[_standing(entry)]
        told = "no run" if isinstance(entry, Missed) else f"{entry.status}. {_story(entry, zone)}"
        link = links.to(entry) if isinstance(entry, Night) else ""
        cells.append({"tone": tone, "kind": _standing(entry), "mark": mark, "day": day, "link": link})
        cells[-1]["title"] = shown(f"{name}: {told}", 300)
    return cells


def _span(trend: Trend, zone: tzinfo | None) -> tuple[str, str]:
    """Return the first and the last day of a trend."""
    moments = [local(entry.begun_at, zone) if isinstance(entry, Night) else entry.at for entry in trend.entries]
    known = [moment for moment in moments if moment]
    return (f"{known[0]:%d %b}", f"{known[-1]:%d %b}") if known else ("", "")


def _latest(trend: Trend, zone: tzinfo | None) -> str:
    """Return whose figures the tiles hold, and what they stand beside."""
    night, before, alike = trend.nights[-1], len(trend.before), len(trend.alike)
    beside = f"; usually: the median of the {before} complete nights before" if before >= USUAL_JUDGED_FROM else ""
    if beside and alike != before:
        beside += f", of what was sent that of {counted(alike, f'{kind_of(trend)} night')}"
    return f"The latest night, {name_of(night, zone)}, {night.status}{beside}."


def _tiles(trend: Trend) -> list[tuple[str, str, str]]:
    """Return the figures of the latest night, each with what is usual."""
    night = trend.nights[-1]
    if night.report is None or not night.counted:
        return []
    tiles = []
    for figure in figures.COMPARED:
        value, usual = figure.value(night.report), trend.usual(figure.value, of_alike=figure.of_alike)
        if value is not None:
            change = figures.change_text(figure, value, usual) if usual is not None and night.is_complete else ""
            note = f"usually {figure.text(usual)}" if usual is not None else ""
            tiles.append((figure.name, figure.text(value), f"{note}, {change}" if change else note))
    return tiles


def _rows(
    found: Sequence[Night], columns: Sequence[Figure], missed: Sequence[Missed], links: _Links, zone: tzinfo | None
) -> list[dict[str, Any]]:
    """Return the rows of the table, the latest first."""
    rows: list[tuple[str, dict[str, Any]]] = []
    for night in found:
        begun = local(night.begun_at, zone)
        rows.append((begun.astimezone(UTC).isoformat() if begun else night.begun_at, _row(night, columns, links, zone)))
    oldest = min((moment for moment, _ in rows), default="")
    for each in missed:
        moment = each.at.astimezone(UTC).isoformat()
        if moment > oldest:
            tone, mark = _MARKS["missed"]
            rows.append((moment, {"night": night_text(each.at), "tone": tone, "mark": mark, "status": "missed"}))
    return [row for _, row in sorted(rows, key=lambda row: row[0], reverse=True)]


def _row(night: Night, columns: Sequence[Figure], links: _Links, zone: tzinfo | None) -> dict[str, Any]:
    tone, mark = _MARKS[night.status]
    report = night.report
    return {
        "run_id": night.run_id,
        "night": name_of(night, zone),
        "link": links.to(night),
        "tone": tone,
        "mark": mark,
        "status": night.status,
        "apart": _apart(night),
        "campaign": report.campaign_id if report else "",
        "cells": [_cell(night, figure) for figure in columns],
        "ended": _ended(night, zone),
        "why": "" if _came_to_its_end(night) else _why(night, zone),
    }


def _came_to_its_end(night: Night) -> bool:
    return night.status in ("succeeded", "partial", "running")


def _why(night: Night, zone: tzinfo | None) -> str:
    """Return why a night did not come to its end, or what there is to say of it."""
    if night.problem or night.crashed or night.report is None:
        return _story(night, zone)
    return stop_reason(night.report)


def _cell(night: Night, figure: Figure) -> str:
    report = night.report
    if report is None or not night.counted or (night.crashed and figure in (figures.GONE, figures.MARGIN)):
        return ""
    if figure in (figures.UNCHANGED, figures.GONE) and report.delta.mode == "off" and not figure.value(report):
        return ""  # nobody has looked
    value = figure.value(report)
    return figure.text(value) if value is not None else ""


def _ended(night: Night, zone: tzinfo | None) -> str:
    """Return at which time of day a night ended; empty if it has not."""
    ended = local(night.report.finished_at, zone) if night.report and not night.crashed else None
    return f"{ended:%H:%M}" if ended else ""
