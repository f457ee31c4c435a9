"""SVG, element by element: attributes and texts are escaped here and nowhere else. For the page and for benchmarks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def element(tag: str, /, *children: str, **attributes: object) -> str:
    """Return an element. Underscores in names of attributes become dashes (`class_` is `class`); None is left out.

    Fractions get one decimal, which is finer than a screen. Children are elements or `words`.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{written}>{''.join(children)}</{tag}>" if children else f"<{tag}{written}/>"


def words(text: str) -> str:
    """Return text as the child of an element."""
    return escape(text)


def steps(values: Iterable[tuple[float, float | None]], width: float, floor: float | None = None) -> str:
    """Return the path of a curve in steps: pairs of the left edge and the height of each step, `width` wide.

    It has a gap where there is no height. With a `floor`, each stretch is an area that stands on it.
    """
    path, drawing, right = [], False, 0.0
    for left, height in values:
        if height is not None and not drawing:
            path.append(f"M{left:.1f} {height:.1f}" if floor is None else f"M{left:.1f} {floor:g}")
        if height is not None and (drawing or floor is not None):
            path.append(f"V{height:.1f}")
        if height is None and drawing and floor is not None:
            path.append(f"V{floor:g}Z")
        drawing = height is not None
        if drawing:
            right = left + width
            path.append(f"H{right:.1f}")
    return "".join(path) + (f"V{floor:g}Z" if drawing and floor is not None else "")


def _value(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else escape(str(value))
