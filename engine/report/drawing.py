"""The shapes of a panel: curves, lines and bars over columns of time, as SVG.

The shapes stretch with the page while the words stay readable, because words are HTML and only shapes are SVG. Every
value axis starts at zero. What a column holds is said where the mouse rests on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, log10
from xml.etree.ElementTree import Element, SubElement, tostring

from msgspec import Struct

from engine.report.formatting import rate_text

WIDTH, HEIGHT = 1000.0, 100.0
"""The units of a panel's shapes, whatever their size on the screen."""

HEADROOM = 1.05
"""A curve ends so far below the edge that its line is seen."""

STRETCH_MIN = 3.0
"""A band is at least so wide, in units, that it can be seen."""

Values = Sequence[float | None]
"""A value for each column; None where there is none."""


class Panel(Struct, frozen=True):
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
    keys: Sequence[tuple[str, str]] = ()
    """What the other lines are: the style of each, and its words."""


class Curve(Struct, frozen=True):
    """A line in steps, or, `filled`, an area that stands on the ground. `kind` is its style."""

    kind: str
    values: Values
    filled: bool = False


class Band(Struct, frozen=True):
    """Something held the run up, from `left` to `right` in units of the width; `kind` is its style."""

    kind: str
    left: float
    right: float


def nice_max(value: float) -> float:
    """Return the round number at or a little above `value` at which an axis ends; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next((step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8) if step * power >= value * 0.999), 10 * power)


def frame(title: str) -> Element:
    """Return a picture without shapes yet, that stretches with the page; `title` is what it is called."""
    view = {"viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}", "preserveAspectRatio": "none", "role": "img"}
    svg = Element("svg", view)
    SubElement(svg, "title").text = title
    return svg


class Canvas(Struct, frozen=True):
    """What all panels have in common: what it is about, what lies behind the curves, and when each column was."""

    about: str
    bands: Sequence[Band]
    ticks: Sequence[float]
    """Where the ticks of the axis stand, in units of the width."""
    marks: Sequence[tuple[str, float]]
    """Lines before the curves from top to bottom: the style of each, and where it stands."""
    moments: Sequence[str]
    """What is said of each column before its values."""
    column: float
    """The width of a column in units; the last one may be narrower."""

    def curves(
        self,
        title: str,
        unit: str,
        label: str,
        curves: Sequence[Curve],
        said: Callable[[int], str | None],
        text: Callable[[float], str] = rate_text,
        *,
        limit: str | None = None,
        tall: bool = False,
        whole: bool = False,
        keys: Sequence[tuple[str, str]] = (),
    ) -> Panel:
        """Return a panel with these curves; `said` is what to say of a column, None for nothing.

        `whole` values are counts, so their axis ends at a whole number.
        """
        top = nice_max(
            HEADROOM * max((each for curve in curves for each in curve.values if each is not None), default=0.0)
        )
        top = ceil(top) if whole else top
        shapes = [
            _path(f"{curve.kind}", self._steps(curve.values, top, HEIGHT if curve.filled else None))
            for curve in curves
            if any(each is not None for each in curve.values)
        ]
        return Panel(title, unit, label, limit, text(top), tall, self._svg(title, unit, shapes, said), keys)

    def bars(self, title: str, unit: str, values: Sequence[int], kind: str, noun: str) -> Panel:
        """Return a panel with a bar for each column in which something happened."""
        top = nice_max(max(values))
        shapes = []
        for index, each in enumerate(values):
            if each > 0:
                left, right = self._sides(index)
                size = {"x": left, "width": max((right - left) * 0.8, 1.0), "y": _y(each, top)}
                size["height"] = HEIGHT - size["y"]
                shapes.append(Element("rect", {"class": kind} | {name: f"{n:.1f}" for name, n in size.items()}))
        svg = self._svg(title, unit, shapes, lambda index: f"{values[index]:,} {noun}" if values[index] else None)
        return Panel(title, unit, f"{sum(values):,} in all", None, rate_text(top), False, svg)

    def _sides(self, index: int) -> tuple[float, float]:
        return index * self.column, min((index + 1) * self.column, WIDTH)

    def _steps(self, values: Values, top: float, ground: float | None = None) -> str:
        """Return the path of a curve in steps, with a gap where there is no value.

        With a `ground`, each stretch is an area that stands on it.
        """
        path, drawing = [], False
        for index, value in enumerate(values):
            (left, right), height = self._sides(index), _y(value or 0.0, top)
            if value is not None and not drawing:
                path.append(f"M{left:.1f} {height:.1f}" if ground is None else f"M{left:.1f} {ground:g}")
            if value is not None and (drawing or ground is not None):
                path.append(f"V{height:.1f}")
            if value is None and drawing and ground is not None:
                path.append(f"V{ground:g}Z")
            drawing = value is not None
            if drawing:
                path.append(f"H{right:.1f}")
        return "".join(path) + (f"V{ground:g}Z" if drawing and ground is not None else "")

    def _svg(self, title: str, unit: str, shapes: Sequence[Element], said: Callable[[int], str | None]) -> str:
        svg = frame(f"{title}, {unit}, {self.about}")
        for band in self.bands:
            width = max(band.right - band.left, STRETCH_MIN)
            box = {"x": f"{min(band.left, WIDTH - width):.1f}", "width": f"{width:.1f}", "height": f"{HEIGHT:g}"}
            svg.append(Element("rect", {"class": f"band h-{band.kind}"} | box))
        svg.extend(_path("tick", f"M{at:.1f} 0V{HEIGHT:g}") for at in self.ticks)
        svg.extend(shapes)
        svg.extend(_path(kind, f"M{at:.1f} 0V{HEIGHT:g}") for kind, at in self.marks)
        hits = SubElement(svg, "g", {"class": "hits"})
        for index, moment in enumerate(self.moments):
            words = said(index)
            if words is not None:
                left, right = self._sides(index)
                hit = SubElement(hits, "path", {"d": f"M{left:.1f} 0H{right:.1f}V{HEIGHT:g}H{left:.1f}z"})
                SubElement(hit, "title").text = f"{moment}: {words}"
        return tostring(svg, encoding="unicode")


def _path(kind: str, drawn: str) -> Element:
    return Element("path", {"class": kind, "d": drawn})


def _y(value: float, top: float) -> float:
    return HEIGHT * (1 - value / top)
