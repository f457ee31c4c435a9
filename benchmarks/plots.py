"""Small pictures without a plotting library: bars and lines as SVG, readable in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10

WIDTH = 760
COLORS = ("#2f6fdd", "#d9822b", "#3a9b5c", "#a855b5", "#c23b3b", "#6b7280")

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; } .soft { fill: #6b7280; } .title { font-weight: 600; }
.grid { stroke: #d0d7de; stroke-width: 1; } .paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .soft { fill: #9aa4b2; } .grid { stroke: #3d444d; }
.paper { fill: #0d1117; } }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length, what stands at its end, and whether it is what the picture is about."""

    label: str
    value: float
    note: str
    main: bool = False


@dataclass(frozen=True, slots=True)
class BarGroup:
    """Bars that are compared with each other."""

    title: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its points in order of x."""

    label: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram of lines that share their axes."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series] = field(default_factory=tuple)


def bar_chart(groups: Sequence[BarGroup]) -> str:
    """Return a picture of horizontal bars; each group has a scale of its own."""
    left, right, height = 230, 150, 20
    parts, y = [], 10
    for group in groups:
        parts.append(f'<text x="10" y="{y + 14}" class="title">{escape(group.title)}</text>')
        y += 26
        longest = max((bar.value for bar in group.bars), default=0) or 1
        for bar in group.bars:
            length = (WIDTH - left - right) * bar.value / longest
            color = COLORS[0] if bar.main else COLORS[-1]
            parts.append(
                f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>'
                f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="{height - 6}" fill="{color}"/>'
                f'<text x="{left + length + 6:.1f}" y="{y + 14}" class="soft">{escape(bar.note)}</text>'
            )
            y += height
        y += 14
    return _svg(parts, y)


def line_chart(panels: Sequence[Panel]) -> str:
    """Return a picture of diagrams, one below the other."""
    parts: list[str] = []
    height = 230
    for number, panel in enumerate(panels):
        parts += _panel(panel, number * height)
    return _svg(parts, len(panels) * height)


def _panel(panel: Panel, top: int) -> list[str]:
    left, right, plot_top, plot_height = 62, 190, top + 30, 150
    points = [point for series in panel.series for point in series.points]
    x_max = max((x for x, _ in points), default=0) or 1
    y_ticks = _ticks(max((y for _, y in points), default=0) or 1)
    y_max = y_ticks[-1]
    width = WIDTH - left - right

    def at(x: float, y: float) -> str:
        return f"{left + width * x / x_max:.1f},{plot_top + plot_height * (1 - y / y_max):.1f}"

    parts = [f'<text x="10" y="{top + 18}" class="title">{escape(panel.title)}</text>']
    for tick in y_ticks:
        y = plot_top + plot_height * (1 - tick / y_max)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" class="soft">{tick:g}</text>')
    below = plot_top + plot_height + 18
    for tick in _ticks(x_max):
        if tick <= x_max:
            x = left + width * tick / x_max
            parts.append(f'<text x="{x:.1f}" y="{below}" text-anchor="middle" class="soft">{tick:g}</text>')
    parts.append(f'<text x="{left}" y="{below + 17}" class="soft">{escape(panel.x_label)}</text>')
    parts.append(f'<text x="{left + width + 12}" y="{plot_top - 4}" class="soft">{escape(panel.y_label)}</text>')
    lines: list[str] = []
    for number, series in enumerate(panel.series):
        color = COLORS[number % len(COLORS)]
        dashes = ' stroke-dasharray="5 4"' if series.dashed else ""
        path = " ".join(at(x, y) for x, y in series.points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"{dashes}/>')
        y = plot_top + 16 + 18 * number
        x = left + width + 12
        parts.append(f'<line x1="{x}" x2="{x + 18}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2"{dashes}/>')
        parts.append(f'<text x="{x + 24}" y="{y + 4}">{escape(series.label)}</text>')
    return [*parts, *reversed(lines)]  # the first line lies on top


def _ticks(largest: float) -> list[float]:
    """Return round numbers from 0 to the first that is not below `largest`, about five of them."""
    step = 10.0 ** floor(log10(largest / 4))
    step *= next((factor for factor in (1, 2, 5) if factor * step * 5 >= largest), 10)
    return [step * n for n in range(ceil(largest / step) + 1)]


def _svg(parts: Sequence[str], height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f"<style>{_STYLE}</style>"
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>' + "\n".join(parts) + "</svg>\n"
    )
