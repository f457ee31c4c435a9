"""Why something was refused, in the API's own words, however deep they stand. Pure.

The form of a reason is not documented. Looked through are the usual keys, those of problem+json (RFC 9457) and of lists
of errors by field among them; texts go before numbers. Record data that is quoted in a reason is masked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from engine.values import CUT, cut

REASON_KEYS = ("error", "message", "reason", "detail", "details", "errors", "errmsg", "msg", "description", "title",
               "type", "code")  # fmt: skip

REASON_CHARACTERS_MAX = 4_000
"""Reasons are cut to this length, and end in "…": an API may answer with a page."""

_MESSAGE_KEYS = ("message", *(key for key in REASON_KEYS if key != "message"))
_ECHOES = frozenset({"data"})
"""What is sent back under these keys is the record, no reason."""
_DEPTH_MAX = 5
_LISTED_MAX = 10
"""So many reasons of a list are kept; "…" stands for further ones."""


def reason_of(item: Any) -> str | None:
    """Return the reason that an item of `errors` gives, or None."""
    return _first(item, REASON_KEYS)


def message_of(document: Any) -> str | None:
    """Return what a whole reply says of itself, or None."""
    return _first(document, _MESSAGE_KEYS) if isinstance(document, dict) else None


def _first(value: Any, keys: Iterable[str]) -> str | None:
    found = _words(value, keys, numbers=False) or _words(value, keys, numbers=True)
    return cut(found, REASON_CHARACTERS_MAX) or None


def _words(value: Any, keys: Iterable[str], *, numbers: bool, depth: int = 0, in_reason: bool = False) -> str:
    """Return the words of `value`; `in_reason` if it stands under a key for reasons."""
    if isinstance(value, str):
        return value[: 2 * REASON_CHARACTERS_MAX].strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if numbers else ""
    if depth >= _DEPTH_MAX:
        return ""

    def deeper(inner: Any, *, in_reason: bool) -> str:
        return _words(inner, REASON_KEYS, numbers=numbers, depth=depth + 1, in_reason=in_reason)

    if isinstance(value, list):
        return _joined(deeper(each, in_reason=in_reason) for each in value[: 2 * _LISTED_MAX])
    if not isinstance(value, dict):
        return ""
    said = next(filter(None, (deeper(value.get(key), in_reason=True) for key in keys)), "")
    if said:
        return said
    others = [(key, inner) for key, inner in value.items() if key not in _ECHOES]
    if in_reason:  # the other keys are the fields that are wrong
        return _joined(f"{key}: {words}" for key, inner in others if (words := deeper(inner, in_reason=True)))
    return _joined(deeper(inner, in_reason=False) for _, inner in others if isinstance(inner, dict))


def _joined(found: Iterable[str]) -> str:
    """Join the first few that differ."""
    some = list(islice(dict.fromkeys(filter(None, found)), _LISTED_MAX + 1))
    return "; ".join(some[:_LISTED_MAX] + [CUT] * (len(some) > _LISTED_MAX))
