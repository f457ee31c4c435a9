"""The pictures of the page of all nights: a bar a night, its values on hover, and what is usual as a line.

The shapes stretch with the page while the words stay readable, because words are HTML and only shapes are SVG. Every
value axis starts at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from math import ceil
from xml.etree.ElementTree import Element, SubElement, tostring

from engine.report import figures
from engine.report.drawing import HEIGHT, WIDTH, Panel, frame, nice_max
from engine.report.figures import Figure, name_of
from engine.report.formatting import night_text, shown
from engine.report.history import Night
from engine.report.report import Report
from engine.report.trend import Missed, ReasonTrend, Trend
from engine.values import NOT_ACCEPTED, STATE_MEANINGS

_BAR_SHARE, _BAR_MAX = 0.76, 60.0  # of the room that a night has; and in units, where nights are few

_FIGURES = (figures.TOOK, figures.RATE, figures.THROTTLED, figures.LIMIT, figures.GONE)

_DURATIONS = (figures.TOOK, figures.MARGIN)
_ROUND_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 14400, 21600, 28800, 43200, 86400)

Parts = Sequence[tuple[str, float]]
"""What a bar is made of from the ground up, a style and a value each."""


def history_charts(trend: Trend, zone: tzinfo | None = None) -> list[Panel]:
    """Return the panels of a campaign; those in which no bar would stand are left out."""
    chart = _Chart(trend, zone)
    not_accepted = [state for state in STATE_MEANINGS if state in NOT_ACCEPTED]
    panels = [
        chart.panel(figures.READ, lambda report: _states(report, STATE_MEANINGS), _spoken, "by what became of them"),
        chart.panel(figures.NOT_ACCEPTED, lambda report: _states(report, not_accepted), _spoken),
        *(chart.panel(figure, _plain(figure)) for figure in _FIGURES[:1]),
        chart.panel(figures.MARGIN, _margin, unit="ended so long before or after it"),
        *(chart.panel(figure, _plain(figure)) for figure in _FIGURES[1:]),
    ]
    return [panel for panel in panels if panel is not None]


def sparkline(reason: ReasonTrend) -> str:
    """Return how often a reason was met, night by night, as a picture of the size of a word."""
    svg = frame(f"{shown(reason.reason, 80)}: {', '.join('?' if n is None else f'{n:,}' for n in reason.counts)}")
    top, room = nice_max(max((count or 0 for count in reason.counts), default=0)), WIDTH / len(reason.counts)
    for index, count in enumerate(reason.counts):
        if count:
            svg.append(_rect("value", room * (index + 0.1), room * 0.8, HEIGHT * (1 - count / top), HEIGHT))
    return tostring(svg, encoding="unicode")


def _states(report: Report, states: Mapping[str, str] | Sequence[str]) -> Parts:
    return [(f"s-{state}", getattr(report.records, state)) for state in states if getattr(report.records, state)]


def _spoken(report: Report) -> str:
    return ", ".join(f"{getattr(report.records, s):,} {s}" for s in STATE_MEANINGS if getattr(report.records, s))


def _plain(figure: Figure) -> Callable[[Report], Parts]:
    return lambda report: [("value", value)] if (value := figure.value(report)) else []


def _margin(report: Report) -> Parts:
    margin_s = figures.margin_s(report)
    return [] if margin_s is None else [("value" if margin_s >= 0 else "s-rejected", abs(margin_s))]


class _Chart:
    """Draws panels over the same nights."""

    def __init__(self, trend: Trend, zone: tzinfo | None) -> None:
        self._trend, self._zone = trend, zone
        self._room = WIDTH / max(len(trend.entries), 1)

    def panel(
        self,
        figure: Figure,
        parts: Callable[[Report], Parts],
        note: Callable[[Report], str] = lambda _: "",
        unit: str = "",
    ) -> Panel | None:
        """Return a panel with a bar a night, made of `parts`; None if all are empty. `note` says more of a night."""
        reports = [night.report for night in self._trend.nights if night.report and night.counted]
        peak = max((sum(value for _, value in parts(report)) for report in reports), default=0.0)
        if not peak:
            return None
        usual = self._trend.usual(figure.value, of_alike=figure.of_alike)
        top = nice_seconds(peak) if figure in _DURATIONS else nice_max(peak)
        svg = frame(f"{figure.name}, night by night")
        for index, entry in enumerate(self._trend.entries):
            group = SubElement(svg, "g")
            SubElement(group, "title").text = self._said(entry, figure, note)
            group.extend(self._bar(index, entry, parts, top))
        if usual is not None and 0 < usual <= top:
            y = HEIGHT * (1 - usual / top)
            svg.append(Element("path", {"class": "usual", "d": f"M0 {y:.1f}H{WIDTH:g}"}))
        latest = self._trend.nights[-1].report
        value = figure.value(latest) if latest else None
        label = [f"latest {figure.text(value)}"] if value is not None else []
        label += [f"usually {figure.text(usual)}"] if usual is not None else []
        top_text = _round_text(top) if figure in _DURATIONS else _short(top) or figure.text(top)
        return Panel(figure.name, unit, ", ".join(label), None, top_text, False, tostring(svg, encoding="unicode"))

    def _said(self, entry: Night | Missed, figure: Figure, note: Callable[[Report], str]) -> str:
        if isinstance(entry, Missed):
            return f"{night_text(entry.at)}: no run"
        name, report = shown(name_of(entry, self._zone)), entry.report
        value = figure.value(report) if report and entry.counted else None
        if report is None or value is None:
            return f"{name}: {entry.status}"
        more = note(report)
        standing = "" if entry.is_complete else f" ({entry.status})"
        return f"{name}{standing}: {figure.text(value)}" + (f" ({more})" if more else "")

    def _bar(self, index: int, entry: Night | Missed, parts: Callable[[Report], Parts], top: float) -> list[Element]:
        left = self._room * index
        if isinstance(entry, Missed):
            return [_rect("none", left, self._room, 0, HEIGHT)]
        shapes = [_rect("hit", left, self._room, 0, HEIGHT)]
        width, ground = min(self._room * _BAR_SHARE, _BAR_MAX), 0.0
        kind = "" if entry.is_complete else " unfinished"
        for style, value in parts(entry.report) if entry.report and entry.counted else []:
            upper, lower = HEIGHT * (1 - (ground + value) / top), HEIGHT * (1 - ground / top)
            shapes.append(_rect(style + kind, left + (self._room - width) / 2, width, upper, lower))
            ground += value
        return shapes


def nice_seconds(seconds: float) -> float:
    """Return the round duration at or above `seconds` at which an axis ends."""
    return next((each for each in _ROUND_S if each >= seconds), ceil(seconds / 86400) * 86400)


def _round_text(seconds: float) -> str:
    """Return a round duration as `20 s`, `10 min`, `6 h`."""
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def _short(top: float) -> str:
    """Return a great number at which an axis ends as `1.5M`, `20k`; empty for a smaller one."""
    return f"{top / 1e6:g}M" if top >= 1e6 else f"{top / 1e3:g}k" if top >= 1e4 else ""


def _rect(style: str, left: float, width: float, upper: float, lower: float) -> Element:
    box = {"x": left, "width": width, "y": upper, "height": max(lower - upper, 0.0)}
    return Element("rect", {"class": style} | {name: f"{size:.1f}" for name, size in box.items()})
