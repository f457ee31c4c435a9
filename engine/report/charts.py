"""The pictures of the report page: a run over time, as panels that share one axis.

The shapes stretch with the page while the words stay readable, because words are HTML and only shapes are SVG. Every
value axis starts at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor, log10
from statistics import median
from xml.etree.ElementTree import Element, SubElement, tostring

from engine.report.formatting import ms_text, rate_text, seconds_text
from engine.report.measured import Sample
from engine.report.report import LimitMove, Report

BINS_MAX = 150
"""The most columns in a panel; more would be finer than a screen shows."""

GAP_FACTOR = 5
"""An interval so many times longer than the median one was not observed but for its end: a process had been killed."""

GAP_S_MIN = 2.0
"""None shorter than this was unobserved: in a run of a few moments, every interval may be a short one."""

_MOMENT_S = 0.01
"""What a run takes at the least: the end of its only sample is rounded to this."""

_BIN_WIDTHS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_TICKS_MAX = 6

MARKS_MAX = 40
"""The most moves of limits that are marked, the latest ones."""

_WIDTH, _HEIGHT = 1000.0, 100.0  # the units of a panel's shapes, whatever their size on the screen


@dataclass(slots=True)
class Bin:
    """What happened in one column of a panel: counts, and the limits at its end; `covered_s` of it were observed."""

    covered_s: float = 0.0
    updated: float = 0.0
    requests: float = 0.0
    throttled: int = 0
    retried: int = 0
    in_flight: int = 0
    rate_limit: float | None = None
    latencies: list[tuple[float, float]] = field(default_factory=list)

    @property
    def latency_ms(self) -> float | None:
        """The mean over the requests of the bin; None without any."""
        weight = sum(requests for _, requests in self.latencies)
        return sum(ms * requests for ms, requests in self.latencies) / weight if weight else None

    def per_s(self, count: float) -> float | None:
        """Return `count` as a rate over the time that was observed; None if none was."""
        return count / self.covered_s if self.covered_s else None


def bins(timeline: Sequence[Sample], width_s: float) -> list[Bin]:
    """Return the timeline in columns of `width_s` seconds.

    What flows (records, requests) is shared out evenly where an interval crosses a border; single events (throttled,
    retried) stay whole, in the column in which their interval ends. What was not observed is covered by no column.
    """
    columns = [Bin() for _ in range(max(ceil(timeline[-1].t_s / width_s), 1))] if timeline else []
    for start_s, sample in _intervals(timeline):
        first = min(floor(start_s / width_s), len(columns) - 1)
        last = max(min(ceil(sample.t_s / width_s), len(columns)) - 1, first)
        for index in range(first, last + 1):
            overlap_s = min(sample.t_s, (index + 1) * width_s) - max(start_s, index * width_s)
            share = overlap_s / (sample.t_s - start_s) if sample.t_s > start_s else 1.0
            _fill(columns[index], sample, share, max(overlap_s, 0.0))
        columns[last].throttled += sample.throttled
        columns[last].retried += sample.retried
    return columns


def _intervals(timeline: Sequence[Sample]) -> list[tuple[float, Sample]]:
    """Return each sample with the moment from which on it was observed."""
    starts_s = [0.0, *(sample.t_s for sample in timeline[:-1])]
    usual_s = median(sample.t_s - start_s for start_s, sample in zip(starts_s, timeline, strict=True))
    longest_s = max(GAP_FACTOR * usual_s, GAP_S_MIN)
    return [
        (start_s if sample.t_s - start_s <= longest_s else sample.t_s - usual_s, sample)
        for start_s, sample in zip(starts_s, timeline, strict=True)
    ]


def _fill(column: Bin, sample: Sample, share: float, overlap_s: float) -> None:
    column.covered_s += overlap_s
    column.updated += sample.updated * share
    column.requests += sample.requests * share
    column.in_flight = max(column.in_flight, sample.in_flight)
    column.rate_limit = sample.rate_limit if sample.rate_limit is not None else column.rate_limit
    if sample.latency_ms is not None and sample.requests:
        column.latencies.append((sample.latency_ms, sample.requests * share))


def bin_width_s(duration_s: float) -> float:
    """Return a width that cuts `duration_s` into at most `BINS_MAX` columns: a round one, and no finer than needed."""
    wanted = duration_s / BINS_MAX
    return float(next((width for width in _BIN_WIDTHS_S if width >= wanted), ceil(wanted / 3600) * 3600))


def nice_max(value: float) -> float:
    """Return the round number at or a little above `value` at which an axis ends; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next((step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8) if step * power >= value * 0.999), 10 * power)


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: its words, and its shapes as an SVG element."""

    title: str
    unit: str
    label: str
    limit: str | None
    """What the limit drawn above the curve was in the end."""
    top: str
    """Where the value axis ends."""
    tall: bool
    svg: str


@dataclass(frozen=True, slots=True)
class Charts:
    """A run over time: panels over the same columns, the ticks of the axis that they share, and what to know."""

    panels: Sequence[Panel]
    ticks: Sequence[tuple[float, str]]
    """Where each stands, in percent of the width, and its words."""
    moves: bool
    notes: Sequence[str]


def charts(report: Report) -> Charts | None:
    """Return the run over time, however short; None if nothing of it was measured."""
    if not report.timeline:
        return None
    timeline = [replace(sample, t_s=max(sample.t_s, _MOMENT_S)) for sample in report.timeline]
    width_s = bin_width_s(timeline[-1].t_s)
    chart = _Chart(bins(timeline, width_s), width_s, report.pacing.moves)
    limits = [column.rate_limit if column.covered_s else None for column in chart.columns]
    each = f"in each {seconds_text(width_s)}" if width_s >= 10 else f"in each {width_s:g} s"
    drawn = [
        chart.curve("Records delivered", "a second", lambda c: c.per_s(c.updated), tall=True),
        chart.curve("Latency of requests", "mean", lambda c: c.latency_ms, ms_text, filled=False),
        chart.curve("Requests", "a second", lambda c: c.per_s(c.requests), limits=limits),
        chart.curve("In flight", "requests at once", lambda c: float(c.in_flight) if c.covered_s else None),
    ]
    throttled, retried = (sum(getattr(c, name) for c in chart.columns) for name in ("throttled", "retried"))
    if throttled:
        drawn.append(chart.bars("Throttled", f"requests refused with 429, {each}", lambda c: c.throttled, "warn"))
    if retried:
        drawn.append(chart.bars("Retried", f"requests sent again, {each}", lambda c: c.retried, "bad"))
    quiet = [name for name, total in (("throttled", throttled), ("retried", retried)) if not total]
    notes = ["In a gap nothing was recorded, as when a process was killed."] * any(
        not c.covered_s for c in chart.columns
    )
    if quiet:
        notes.append(f"No request was {' or '.join(quiet)}.")
    return Charts(drawn, chart.ticks(), bool(chart.moves), notes)


@dataclass(frozen=True, slots=True)
class _Chart:
    """Draws panels over the same columns of time."""

    columns: Sequence[Bin]
    width_s: float
    moves: Sequence[LimitMove]

    @property
    def end_s(self) -> float:
        return len(self.columns) * self.width_s

    def curve(
        self,
        title: str,
        unit: str,
        value: Callable[[Bin], float | None],
        text: Callable[[float], str] = rate_text,
        *,
        filled: bool = True,
        limits: Sequence[float | None] = (),
        tall: bool = False,
    ) -> Panel:
        """Return a panel with a curve in steps, with gaps where there is no value; `limits` are a line above it.

        `text` says what the values are: rates and counts, or milliseconds.
        """
        values = [value(column) for column in self.columns]
        known = [limit for limit in limits if limit is not None]
        peak = max((each for each in values if each is not None), default=0.0)
        top = nice_max(max([peak, *known]))
        ground = _HEIGHT if filled else None
        shapes = [_path("area" if filled else "line", self._steps(values, top, ground))]
        if known:
            shapes.append(_path("limit", self._steps(limits, top)))
        limit = text(known[-1]) if known else None
        return self._panel(title, unit, f"peak {text(peak)}", shapes, text(top), limit=limit, tall=tall)

    def bars(self, title: str, unit: str, value: Callable[[Bin], float], kind: str) -> Panel:
        """Return a panel with a bar for each column in which something happened."""
        values = [value(column) for column in self.columns]
        top, step = nice_max(max(values)), _WIDTH / len(values)
        shapes = []
        for index, each in enumerate(values):
            if each > 0:
                box = {"x": index * step, "width": step * 0.8, "y": _y(each, top), "height": _HEIGHT - _y(each, top)}
                shapes.append(Element("rect", {"class": kind} | {name: f"{size:.1f}" for name, size in box.items()}))
        return self._panel(title, unit, f"{rate_text(sum(values))} in all", shapes, rate_text(top))

    def ticks(self) -> list[tuple[float, str]]:
        """Return the ticks of the time axis that all panels share."""
        step_s = next((s for s in _TICK_STEPS_S if self.end_s / s <= _TICKS_MAX), ceil(self.end_s / _TICKS_MAX))
        return [
            (round(100 * step_s * n / self.end_s, 2), _clock(step_s * n)) for n in range(floor(self.end_s / step_s) + 1)
        ]

    def _steps(self, values: Sequence[float | None], top: float, ground: float | None = None) -> str:
        """Return the path of a curve in steps, with a gap where there is no value.

        With a `ground`, each stretch is an area that stands on it.
        """
        path, drawing, width = [], False, _WIDTH / len(values)
        for index, value in enumerate(values):
            left, height = index * width, _y(value or 0.0, top)
            if value is not None and not drawing:
                path.append(f"M{left:.1f} {height:.1f}" if ground is None else f"M{left:.1f} {ground:g}")
            if value is not None and (drawing or ground is not None):
                path.append(f"V{height:.1f}")
            if value is None and drawing and ground is not None:
                path.append(f"V{ground:g}Z")
            drawing = value is not None
            if drawing:
                path.append(f"H{left + width:.1f}")
        return "".join(path) + (f"V{ground:g}Z" if drawing and ground is not None else "")

    def _panel(
        self,
        title: str,
        unit: str,
        label: str,
        shapes: Sequence[Element],
        top: str,
        *,
        limit: str | None = None,
        tall: bool = False,
    ) -> Panel:
        view = {"viewBox": f"0 0 {_WIDTH:g} {_HEIGHT:g}", "preserveAspectRatio": "none", "role": "img"}
        svg = Element("svg", view)
        SubElement(svg, "title").text = f"{title}, {unit}, over {seconds_text(self.end_s)} of work"
        svg.extend(shapes)
        for move in self.moves[-MARKS_MAX:]:
            svg.append(_path("move", f"M{_WIDTH * move.t_s / self.end_s:.1f} 0V{_HEIGHT:g}"))
        return Panel(title, unit, label, limit, top, tall, tostring(svg, encoding="unicode"))


def _path(kind: str, drawn: str) -> Element:
    return Element("path", {"class": kind, "d": drawn})


def _y(value: float, top: float) -> float:
    return _HEIGHT * (1 - value / top)


def _clock(seconds: float) -> str:
    """Return a moment of the run as `0:00`, `12:30`, `1:02:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
