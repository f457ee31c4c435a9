"""Which records do the items of `errors` speak of? Pure.

The shape of an item is not documented. Accepted are: objects that name the record by one of `ID_KEYS`, by an `index`
counted from 0, or by either one level deeper (`{"update": {"_id": …}}`); and strings that contain exactly one id of the
chunk as a word of its own. Everything else stays unattributed: a guess would blame, or acquit, the wrong record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

ID_KEYS = ("id", "_id", "loan_id", "lead_id", "recordId", "record_id", "loanId", "leadId")
INDEX_KEYS = ("index", "recordIndex")
REASON_KEYS = ("error", "message", "reason", "errmsg", "msg", "description", "code")

_WORD = re.compile(r"[^\s\"'`,;()\[\]{}<>=|]+")
_WORD_EDGES = ".:!?"


@dataclass(slots=True)
class Attribution:
    """`reasons` by index in the chunk; `unnamed_reason` is the first reason that names no record."""

    reasons: dict[int, str] = field(default_factory=dict)
    unnamed_reason: str | None = None


def attribute(errors: Iterable[Any], ids: Sequence[str]) -> Attribution:
    """Attribute the items of `errors` to the records `ids`; the first item about a record gives the reason."""
    index_by_id = {record_id: index for index, record_id in enumerate(ids)}
    attribution = Attribution()
    for item in errors:
        reason = _reason(item)
        index = _index_of(item, index_by_id)
        if index is not None:
            attribution.reasons.setdefault(index, reason)
        elif attribution.unnamed_reason is None:
            attribution.unnamed_reason = reason
    return attribution


def _index_of(item: Any, index_by_id: dict[str, int]) -> int | None:
    if isinstance(item, str):
        return _index_in_text(item, index_by_id)
    if not isinstance(item, dict):
        return None
    nested = [value for value in item.values() if isinstance(value, dict)]
    for candidate in (item, *nested):
        named = [candidate[key] for key in ID_KEYS if key in candidate]
        if named:
            found = {index_by_id[text] for text in map(_as_text, named) if text in index_by_id}
            return found.pop() if len(found) == 1 else None
    positions = [candidate[key] for candidate in (item, *nested) for key in INDEX_KEYS if key in candidate]
    if positions:
        return _position(positions[0], len(index_by_id))
    texts = (item[key] for key in REASON_KEYS if isinstance(item.get(key), str))
    return _index_in_text(" ".join(texts), index_by_id)


def _index_in_text(text: str, index_by_id: dict[str, int]) -> int | None:
    """The one record whose id is a word of `text`. Short numbers don't count: they may count something else."""
    words = {word.strip(_WORD_EDGES) for word in _WORD.findall(text)} | set(_WORD.findall(text))
    found = {index_by_id[word] for word in words if word in index_by_id and not (word.isdigit() and len(word) < 4)}
    return found.pop() if len(found) == 1 else None


def _position(value: Any, count: int) -> int | None:
    is_index = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count
    return value if is_index else None


def _as_text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _reason(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        nested = [value for value in item.values() if isinstance(value, dict)]
        for candidate in (item, *nested):
            for key in REASON_KEYS:
                value = candidate.get(key)
                if isinstance(value, (str, int)) and not isinstance(value, bool):
                    return str(value)
    return "refused by the API without a reason"
