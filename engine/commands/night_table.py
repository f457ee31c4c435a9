"""The table of nights in a terminal: 80 columns, so two lines a night, and what is unusual about the latest one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from engine.report import (
    COMPARED,
    Figure,
    Missed,
    Night,
    Trend,
    change_text,
    count_text,
    counted,
    kind_of,
    local,
    margin_s,
    night_text,
    percent_text,
    rate_text,
    seconds_text,
    shown,
    stop_reason,
    throttled_share,
    trends,
    zone_text,
)

RUNS_SHOWN_MAX = 30
"""The most runs in the table; `--json` has them all."""

COLUMNS = 80
"""The width of a terminal that everybody has."""

REASONS_SHOWN_MAX = 5
"""The most reasons that are called new or growing; the page of all nights has more."""

_WHOLE_BELOW = 100_000_000
"""Greater counts would not fit, and are told in millions."""

Pair = tuple[str, str]
"""What stands in a column, one above the other: of the first and of the second line of a night."""


def table(found: Sequence[Night], zone: tzinfo | None = None, now: datetime | None = None) -> str:
    """Return the latest runs, two lines each, the latest at the bottom, where a terminal ends, and missed nights.

    Times are told in `zone`, by default that of this machine; with `now`, tonight's run may be missing, too.
    """
    latest = found[-RUNS_SHOWN_MAX:]
    with_delta = any(night.report and night.report.delta.mode != "off" for night in latest)
    rows = [_pairs(night, zone, with_delta=with_delta) for night in latest]
    heads = _heads(with_delta=with_delta)
    widths = [max(len(text) for row in [heads, *rows] for text in row[column]) for column in range(len(heads))]
    gap = "  " if sum(widths) + 2 * len(widths) - 2 <= COLUMNS else " "
    lines = _lines(heads, widths, gap)
    if len(found) > RUNS_SHOWN_MAX:
        lines.append(f"({counted(len(found) - RUNS_SHOWN_MAX, 'earlier run')} not shown)")
    missed = [each for trend in trends(found, zone, now) for each in trend.missed]
    for night, row in zip(latest, rows, strict=True):
        begun = local(night.begun_at, zone)
        lines += [_missed(each, widths[0], gap) for each in missed if begun and each.at < begun]
        missed = [each for each in missed if not begun or each.at >= begun]
        lines += [*_lines(row, widths, gap), *_remarks(night, zone)]
    return "\n".join([*lines, *(_missed(each, widths[0], gap) for each in missed)]) + "\n"


def _heads(*, with_delta: bool) -> list[Pair]:
    first: list[Pair] = [("BEGAN", "RUN"), ("STATUS", "TOOK"), ("READ", "RECORDS/S"), ("UPDATED", "THROTTLED")]
    if with_delta:
        return [*first, ("UNCHANGED", "GONE"), ("NOT ACC.", "TO SPARE")]
    return [*first, ("NOT ACC.", "LIMIT"), ("ENDED", "TO SPARE")]


def _pairs(night: Night, zone: tzinfo | None, *, with_delta: bool) -> list[Pair]:
    begun, report = local(night.begun_at, zone), night.report
    name = f"{night_text(begun)} {zone_text(begun)}" if begun else ""
    if report is None or not night.counted:
        took = seconds_text(report.duration_s) if report else ""
        return [(name, shown(night.run_id)), (night.status, took), *[("", "")] * 4]
    records, limit, throttled = report.records, report.pacing.rate_limit, throttled_share(report)
    ended = local(report.finished_at, zone) if not (night.crashed or night.under_way) else None
    left_s = margin_s(report) if ended else None
    spare = _short(left_s) if left_s is not None else ""
    first = [
        (name, shown(night.run_id)),
        (night.status, seconds_text(report.duration_s)),
        (_count(records.read), rate_text(report.records_per_s)),
        (_count(records.updated), percent_text(throttled) if throttled is not None else ""),
    ]
    if with_delta:
        gone = "" if night.crashed else _count(report.gone.found)
        return [*first, (_count(records.unchanged), gone), (_count(report.not_accepted), spare)]
    found = f"{rate_text(limit)}/s" if limit is not None else ""
    return [*first, (_count(report.not_accepted), found), (f"{ended:%H:%M}" if ended else "", spare)]


def _count(count: int) -> str:
    return f"{count:,}" if count < _WHOLE_BELOW else f"{count / 1e6:,.1f}M"


def _short(seconds: float) -> str:
    """Return a margin as `4h29m`, `45s`, `-12m`."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    if whole < 60:
        return f"{sign}{whole}s"
    return f"{sign}{whole // 3600}h{whole % 3600 // 60:02}m" if whole >= 3600 else f"{sign}{whole // 60}m"


def _lines(row: Sequence[Pair], widths: Sequence[int], gap: str) -> list[str]:
    """Return the two lines of a night; what it was and how it stands to the left, figures to the right."""
    lines = []
    for line in (0, 1):
        cells = [f"{pair[line]:<{width}}" for pair, width in zip(row[:2], widths[:2], strict=True)]
        cells += [f"{pair[line]:>{width}}" for pair, width in zip(row[2:], widths[2:], strict=True)]
        lines.append(gap.join(cells).rstrip())
    return lines


def _missed(each: Missed, width: int, gap: str) -> str:
    name = f"{night_text(each.at)} {zone_text(each.at)}"
    return f"{name:<{width}}{gap}missed: no run has begun"


def _remarks(night: Night, zone: tzinfo | None) -> list[str]:
    """Return what has to be known of a run to understand its figures, a line each."""
    report = night.report
    if report is None:
        return []
    remarks = []
    if night.kind != "sync":
        remarks.append(f"a {night.kind}")
    if report.limit is not None:
        remarks.append(f"only the first {counted(report.limit, 'record')} (--limit): compared with no night")
    if not night.counted:
        remarks.append("its files are deleted (state.keep_days), and its counts with them")
    if night.crashed:
        seen = local(report.finished_at, zone)
        when = f", after {seen:%H:%M}" if seen else ""
        remarks.append(f"its process was killed{when}; told is what was durable by then")
    elif night.status in ("interrupted", "failed"):
        remarks.append(stop_reason(report))
    return [f"  {shown(remark, COLUMNS - 2)}" for remark in remarks]


def latest_against_usual(found: Sequence[Night], zone: tzinfo | None = None) -> list[str]:
    """Return the latest night of each campaign beside what is usual, in lines; nothing where too few nights compare."""
    lines: list[str] = []
    for trend in trends(found, zone):
        told = [line for figure in COMPARED if (line := _compared(trend, figure))]
        if told:
            alike = f" ({len(trend.alike)} {kind_of(trend)})" if len(trend.alike) != len(trend.before) else ""
            told.insert(0, f"  {'':16}  {'LATEST':>16}  {'USUAL':>16}  median of {len(trend.before)}{alike}")
        told += _reasons(trend)
        if told:
            whose = f" of campaign {shown(trend.campaign_id, 30)}" if trend.campaign_id else ""
            lines += [f"Latest night{whose}", *told]
    return lines


def _compared(trend: Trend, figure: Figure) -> str:
    """Return a figure of the latest night beside what is usual; empty if it did not end or one is not known."""
    night = trend.nights[-1]
    value = figure.value(night.report) if night.report and night.is_complete else None
    usual = trend.usual(figure.value, of_alike=figure.of_alike)
    if value is None or usual is None:
        return ""
    line = f"  {figure.name.lower():<16}  {figure.text(value):>16}  {figure.text(usual):>16}"
    return f"{line}  {change_text(figure, value, usual)}".rstrip()


def _reasons(trend: Trend) -> list[str]:
    """Return the reasons of the latest night that are new or growing, in two lines each."""
    lines = []
    for each in trend.reasons()[:REASONS_SHOWN_MAX]:
        usually = "new" if each.is_new else f"growing, usually {count_text(each.usual)}"
        lines.append(f"  {counted(each.count, 'record')} {each.outcome}, {usually}:")
        lines.append(f"    {shown(each.reason, COLUMNS - 4)}")
    return lines
