"""Numbers, moments and foreign text as people read them, the same in every output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from engine.values import Reason, counted as counted, cut_apart

REASON_CHARACTERS_MAX = 50_000
"""More than any reason has, whatever had to be escaped in it."""

REPORT_REASON_CHARACTERS = 300
"""Reasons in reports are cut to this length."""


def seconds_text(seconds: float) -> str:
    """Return a duration such as `0.4 s`, `12 s`, `4 min 05 s`, `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def ms_text(milliseconds: float) -> str:
    """Return a latency such as `310 ms`, `1.2 s`."""
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else seconds_text(milliseconds / 1000)


def rate_text(per_s: float) -> str:
    """Return a rate such as `9.5`, `9,999`: one decimal only where it says something."""
    return f"{per_s:,.0f}" if per_s >= 99.95 or per_s == round(per_s) else f"{per_s:.1f}"


def bytes_text(count: int) -> str:
    """Return an amount of data such as `812 bytes`, `142 MB` (decimal units)."""
    if count < 1000:
        return counted(count, "byte")
    amount, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.1f} {units[0]}" if amount < 9.95 else f"{amount:,.0f} {units[0]}"


def shown(text: str, width_max: int = 60) -> str:
    """Return `text` fit for one line: control, invisible and direction-changing characters escaped, cut to size."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: width_max + 1])
    return visible if len(visible) <= width_max else visible[: width_max - 3] + "..."


def with_short_reasons(reasons: Sequence[Reason], width: int) -> list[Reason]:
    """Return `reasons` fit for lines of `width` characters each; two that differ still look different."""
    texts = cut_apart([shown(reason.reason, REASON_CHARACTERS_MAX) for reason in reasons], width)
    return [replace(reason, reason=text) for reason, text in zip(reasons, texts, strict=True)]


def example_ids(reason: Reason) -> list[str]:
    """Return the example ids of `reason` fit to be shown, with `...` at the end when there are more like them."""
    ids = [shown(i, 40) for i in reason.example_ids if i.strip()]
    return [*ids, "..."] if ids and reason.count > len(reason.example_ids) else ids


def age_text(moment: str, now: datetime) -> str:
    """Return how long ago a moment of a report was, such as `3 days`, `5 h`, `12 min`."""
    minutes = max(0, round((now - datetime.fromisoformat(moment)).total_seconds())) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else counted(minutes // (24 * 60), "day")


def moment_text(moment: str, zone: tzinfo | None = None) -> str:
    """Return a moment of a report as people read it, in `zone`, by default this machine's: `2026-11-23 02:00 UTC`."""
    found = local(moment, zone)
    return f"{found:%Y-%m-%d %H:%M} {zone_text(found)}" if found else moment


def local(moment: str, zone: tzinfo | None = None) -> datetime | None:
    """Return a moment of a report as a time in `zone`, by default that of this machine; None if it is no moment."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return found.astimezone(zone) if found.tzinfo else None


def zone_text(moment: datetime) -> str:
    """Return the zone of a time such as `IST`, `CET`, `UTC`, `+0530`."""
    return moment.strftime("%Z") or moment.strftime("%z")


def night_text(moment: datetime) -> str:
    """Return a time as nights are named, such as `Sat 28 Nov 02:00`; its year and its zone stand elsewhere."""
    return moment.strftime("%a %d %b %H:%M")


def share_text(count: int, whole: int) -> str:
    """Return a share such as `99.97%` that never rounds something to nothing, or nearly all to all."""
    if count in (0, whole):
        return "100%" if count else "0%"
    share = 100 * count / whole
    if share < 0.01:
        return "<0.01%"
    return f"{min(share, 99.99):.2f}%" if share < 1 or share > 99 else f"{share:.1f}%"
