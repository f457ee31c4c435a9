"""Which records do the items of `errors` speak of? Pure.

The shape of an item is not documented. Accepted are: objects that name the record by one of `ID_KEYS`, by an `index`
counted from 0, or by either one level deeper (`{"update": {"_id": …}}`); and strings that contain exactly one id of the
chunk as a word of its own. Everything else stays unattributed: a guess would blame, or acquit, the wrong record. So do
all indexes of a reply of which one is no index (it may count from 1), and numbers in a text that may be amounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

ID_KEYS = ("id", "_id", "loan_id", "lead_id", "recordId", "record_id", "loanId", "leadId")
INDEX_KEYS = ("index", "recordIndex")
REASON_KEYS = ("error", "message", "reason", "errmsg", "msg", "description", "code")

TEXT_CHARACTERS_MAX = 2_000
"""A longer text is a page, not the name of a record."""

_WORD = re.compile(r"[^\s\"'`,;()\[\]{}<>=|]+")
_WORD_EDGES = ".:!?#"
_BEFORE_A_NUMBER = re.compile(r".*id|record|loan|lead|customer|item|for|updat(e|ing)", re.IGNORECASE)
"""The word before a number that says that the number is an id."""


@dataclass(slots=True)
class Attribution:
    """`reasons` by index in the chunk; `unnamed_reason` is the first reason that names no record."""

    reasons: dict[int, str] = field(default_factory=dict)
    unnamed_reason: str | None = None


def attribute(errors: Iterable[Any], ids: Sequence[str]) -> Attribution:
    """Attribute the items of `errors` to the records `ids`; the first item about a record gives the reason."""
    items = list(errors)
    index_by_id = {record_id: index for index, record_id in enumerate(ids)}
    trusts_positions = all(_is_position(position, len(ids)) for item in items for position in _positions(item))
    attribution = Attribution()
    for item in items:
        index = _index_of(item, index_by_id, trusts_positions)
        if index is not None:
            attribution.reasons.setdefault(index, _reason(item))
        elif attribution.unnamed_reason is None:
            attribution.unnamed_reason = _reason(item)
    return attribution


def _index_of(item: Any, index_by_id: dict[str, int], trusts_positions: bool) -> int | None:
    if isinstance(item, str):
        return _index_in_text(item, index_by_id)
    if not isinstance(item, dict):
        return None
    for candidate in _with_nested(item):
        named = [candidate[key] for key in ID_KEYS if key in candidate]
        if named:
            found = {index_by_id[text] for text in map(_as_text, named) if text in index_by_id}
            return _only(found)
    positions = set(_positions(item))
    if positions:
        return _only(positions) if trusts_positions else None
    texts = (item[key] for key in REASON_KEYS if isinstance(item.get(key), str))
    return _index_in_text(" ".join(texts), index_by_id)


def _with_nested(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [item, *(value for value in item.values() if isinstance(value, dict))]


def _positions(item: Any) -> list[Any]:
    """Return what an item says under `INDEX_KEYS`; things that are no position are told by `_is_position`."""
    if not isinstance(item, dict):
        return []
    found = [candidate[key] for candidate in _with_nested(item) for key in INDEX_KEYS if key in candidate]
    return [position if isinstance(position, int) else None for position in found]


def _is_position(value: Any, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _only(found: set[int]) -> int | None:
    return next(iter(found)) if len(found) == 1 else None


def _index_in_text(text: str, index_by_id: dict[str, int]) -> int | None:
    """Return the one record whose id is a word of `text`."""
    if len(text) > TEXT_CHARACTERS_MAX:
        return None
    found = set()
    before = ""
    for written in _WORD.findall(text):
        for word in {written, written.strip(_WORD_EDGES)}:
            if word in index_by_id and (not word.isdecimal() or _is_id(word, before, len(index_by_id))):
                found.add(index_by_id[word])
        before = written.strip(_WORD_EDGES)
    return _only(found)


def _is_id(number: str, before: str, count: int) -> bool:
    """Whether a number in a text is an id: it can't be a position, and stands where a name stands, not an amount."""
    is_position = number == "0" or (not number.startswith("0") and int(number) <= count)
    if before.lower().endswith("id"):
        return True
    return not is_position and (not before or _BEFORE_A_NUMBER.fullmatch(before) is not None)


def _as_text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _reason(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        for candidate in _with_nested(item):
            for key in REASON_KEYS:
                value = candidate.get(key)
                if isinstance(value, (str, int)) and not isinstance(value, bool):
                    return str(value)
    return "refused by the API without a reason"
