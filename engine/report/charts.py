"""The pictures of the report page: a run over time, as panels that share one axis, and what held it up in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import tzinfo

from msgspec import Struct

from engine.report.bins import Bin, bin_width_s, bins
from engine.report.drawing import WIDTH, Band, Canvas, Curve, Panel
from engine.report.formatting import ms_text, rate_text, seconds_text
from engine.report.holdup_words import HoldupRow, Label, labels, name_of, rows
from engine.report.holdups import Holdup
from engine.report.measured import quantile_ms
from engine.report.report import Report
from engine.report.time_axis import Tick, TimeAxis

MARKS_MAX = 40
"""The most moves of limits that are marked, the latest ones."""

CEILING_DRAWN_WITHIN = 2.0
"""A ceiling is drawn if it is no more than so many times above what happened: the curve would be flat beneath it."""

_MOMENT_S = 0.01
"""What a run takes at the least: the end of its only sample is rounded to this."""


class Charts(Struct, frozen=True):
    """A run over time: panels over the same columns, the ticks of the axis that they share, and what to know."""

    panels: Sequence[Panel]
    ticks: Sequence[Tick]
    """Round seconds of work."""
    clock_ticks: Sequence[Tick]
    """The same for times of day."""
    zone: str
    """The zone of the times of day; empty if none is known."""
    bands: Sequence[Label]
    """The names of bands that have room above the panels."""
    holdups: Sequence[HoldupRow]
    moves: bool
    breaks: bool
    notes: Sequence[str]


def charts(report: Report, zone: tzinfo | None = None) -> Charts | None:
    """Return the run over time, however short; None if nothing of it was measured.

    Times of day are in `zone`, by default that of this machine.
    """
    if not report.timeline:
        return None
    timeline = [replace(sample, t_s=max(sample.t_s, _MOMENT_S)) for sample in report.timeline]
    width_s = bin_width_s(timeline[-1].t_s)
    columns = bins(timeline, width_s)
    axis = TimeAxis.of(report, timeline[-1].t_s, zone)
    breaks, moves = axis.breaks(), report.pacing.moves[-MARKS_MAX:]
    canvas = Canvas(
        about=f"over {seconds_text(axis.end_s)} of work",
        bands=[
            Band(each.kind, *(WIDTH * axis.percent(t) / 100 for t in (each.t_s, each.end_s))) for each in report.holdups
        ],
        ticks=[WIDTH * tick.left / 100 for tick in axis.clock_ticks() or axis.ticks() if tick.left],
        marks=[
            *(("move", WIDTH * axis.percent(move.t_s) / 100) for move in moves),
            *(("break", WIDTH * axis.percent(each.t_s) / 100) for each in breaks if each.t_s),
        ],
        moments=_moments(columns, width_s, axis, report.holdups),
        column=WIDTH * width_s / axis.end_s,
    )
    throttled, retried = (sum(getattr(c, name) for c in columns) for name in ("throttled", "retried"))
    notes = ["In a gap nothing was recorded, as when a process was killed."] * any(not c.covered_s for c in columns)
    if quiet := [name for name, total in (("throttled", throttled), ("retried", retried)) if not total]:
        notes.append(f"No request was {' or '.join(quiet)}.")
    return Charts(
        panels=_panels(report, columns, canvas, f"in each {_width_text(width_s)}"),
        ticks=axis.ticks(),
        clock_ticks=axis.clock_ticks(),
        zone=axis.zone,
        bands=labels(report.holdups, axis),
        holdups=rows(report.holdups, breaks, axis),
        moves=bool(moves),
        breaks=any(each.t_s for each in breaks),
        notes=notes,
    )


def _panels(report: Report, columns: Sequence[Bin], canvas: Canvas, each: str) -> list[Panel]:
    updated = [c.per_s(c.updated) for c in columns]
    in_flight = [float(c.in_flight) if c.covered_s else None for c in columns]
    drawn = [
        canvas.curves(
            "Records delivered", "a second", f"peak {rate_text(_peak(updated))}", [Curve("area", updated, filled=True)],
            lambda n: _said(updated[n], rate_text, "records/s"), tall=True,
        ),
        _latency(report, columns, canvas),
        _requests(report, columns, canvas),
        canvas.curves(
            "In flight", "requests at once", f"peak {_peak(in_flight):,.0f}", [Curve("area", in_flight, filled=True)],
            lambda n: _said(in_flight[n], rate_text, "at once"), whole=True,
        ),
    ]  # fmt: skip
    throttled, retried = ([getattr(c, name) for c in columns] for name in ("throttled", "retried"))
    if any(throttled):
        drawn.append(canvas.bars("Throttled", f"requests refused with 429, {each}", throttled, "warn", "refused"))
    if any(retried):
        drawn.append(canvas.bars("Retried", f"requests sent again, {each}", retried, "bad", "sent again"))
    return drawn


def _latency(report: Report, columns: Sequence[Bin], canvas: Canvas) -> Panel:
    """Draw the median and the 95 % of answered requests; the mean of all where an older version kept nothing else."""
    whole: Counter[int] = Counter()
    for sample in report.timeline:
        whole.update(sample.latencies)
    if not whole:
        means = [column.mean_ms for column in columns]
        return canvas.curves(
            "Latency of requests", "mean", f"peak {ms_text(_peak(means))}", [Curve("line", means)],
            lambda n: _said(means[n], ms_text), ms_text,
        )  # fmt: skip
    median, most = ([column.latency_ms(share) for column in columns] for share in (0.5, 0.95))
    return canvas.curves(
        "Latency of requests", "that were answered", "",
        [Curve("most", most), Curve("line", median)],
        lambda n: f"median {ms_text(median[n] or 0)}, 95% {ms_text(most[n] or 0)}" if median[n] is not None else None,
        ms_text,
        keys=[
            ("line-key", f"median {ms_text(quantile_ms(whole, 0.5))}"),
            ("most-key", f"95% within {ms_text(quantile_ms(whole, 0.95))}"),
        ],
    )  # fmt: skip


def _requests(report: Report, columns: Sequence[Bin], canvas: Canvas) -> Panel:
    """Draw the requests when they were sent, below what was allowed then."""
    sent = [column.per_s(column.sent) for column in columns]
    allowed = [column.rate_limit if column.covered_s else None for column in columns]
    known = [sample.rate_limit for sample in report.timeline if sample.rate_limit is not None]
    curves, keys, ceiling = [Curve("area", sent, filled=True)], [], report.pacing.ceiling
    highest = max([_peak(sent), _peak(allowed)])
    if ceiling is not None and highest < ceiling * 0.999 and ceiling <= CEILING_DRAWN_WITHIN * highest:
        curves.append(Curve("ceiling", [ceiling] * len(columns)))
        keys.append(("ceiling-key", f"never more than {rate_text(ceiling)}"))
    if known:
        curves.append(Curve("limit", allowed))
    counted_when = "sent a second" if any(s.sent is not None for s in report.timeline) else "ended a second"

    def said(n: int) -> str | None:
        limit = allowed[n]
        words = _said(sent[n], rate_text, "requests/s")
        return f"{words}, {rate_text(limit)} allowed" if words and limit is not None else words

    return canvas.curves(
        "Requests", counted_when, f"peak {rate_text(_peak(sent))}", curves, said,
        limit=rate_text(known[-1]) if known else None, keys=keys,
    )  # fmt: skip


def _peak(values: Sequence[float | None]) -> float:
    return max((each for each in values if each is not None), default=0.0)


def _said(value: float | None, text: Callable[[float], str], unit: str = "") -> str | None:
    return None if value is None else f"{text(value)} {unit}".rstrip()


def _moments(columns: Sequence[Bin], width_s: float, axis: TimeAxis, holdups: Sequence[Holdup]) -> list[str]:
    """Return when each column was, and what held the run up in it."""
    found = []
    for index in range(len(columns)):
        start_s, end_s = index * width_s, (index + 1) * width_s
        there = {name_of(each.kind): None for each in holdups if each.t_s < end_s and each.end_s > start_s}
        found.append(axis.said(start_s) + (f" ({', '.join(there)})" if there else ""))
    return found


def _width_text(width_s: float) -> str:
    return seconds_text(width_s) if width_s >= 10 else f"{width_s:g} s"
