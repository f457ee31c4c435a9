"""Texts cut to a width: two that differ still look different. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

CUT = "…"
"""Stands for what was cut away."""

_SEEN_BEFORE = 12
"""So many characters before the first difference are shown with it."""


def cut(text: str, width: int) -> str:
    """Return `text`, or as much of its beginning as fits, and "…" behind it."""
    return text if len(text) <= width else text[: width - len(CUT)].rstrip() + CUT


def cut_apart(texts: Sequence[str], width: int) -> list[str]:
    """Return each of `texts` cut to `width`, at least 20: equal ones look the same, others never do.

    Where the beginnings are the same, what is between them and the first difference is left out, too.
    """
    shown = {text: cut(text, width) for text in texts}
    for start in (width // 2, 0):
        for same in _looking_the_same(shown):
            place = _first_difference(same)
            for text in same:
                shown[text] = _around(text, place, start, width)
    for same in _looking_the_same(shown):
        for number, text in enumerate(sorted(same), 1):
            mark = f"{CUT} ({number})"
            shown[text] = cut(text, width - len(mark)).removesuffix(CUT) + mark
    return [shown[text] for text in texts]


def _looking_the_same(shown: dict[str, str]) -> list[list[str]]:
    groups = defaultdict(list)
    for text, look in shown.items():
        groups[look].append(text)
    return [group for group in groups.values() if len(group) > 1]


def _first_difference(texts: Sequence[str]) -> int:
    first, last = min(texts), max(texts)  # what these two share all others do
    return next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _around(text: str, place: int, head: int, width: int) -> str:
    """Return the first `head` characters of a text, and what stands at `place`, some way behind them."""
    beginning = text[:head].rstrip() + CUT
    return beginning + cut(text[max(head, place - _SEEN_BEFORE) :], width - len(beginning))
