"""Which records do the items of `errors` speak of, and do they say that these may be sent again? Pure.

The shape of an item is not documented. Accepted are: objects that name the record by one of `ID_KEYS`, by an `index`,
or by either one level deeper (`{"update": {"_id": …}}`); and strings that contain exactly one id of the chunk as a word
of its own. Everything else stays unattributed: a guess would blame, or acquit, the wrong record. So do numbers in a
text that may be amounts, and indexes as long as nothing tells whether they count from 0 or from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from http import HTTPStatus
from typing import Any

from msgspec import Struct, field

from engine.api.reasons import REASON_KEYS, reason_of

ID_KEYS = ("id", "_id", "loan_id", "lead_id", "recordId", "record_id", "loanId", "leadId")
INDEX_KEYS = ("index", "recordIndex")
STATUS_KEYS = ("status", "statusCode", "status_code", "httpStatus", "code")

AGAIN = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""A record with one of these statuses was not refused: its turn has not come."""

WITHOUT_REASON = "refused by the API without a reason"

TEXT_CHARACTERS_MAX = 2_000
"""A longer text is a page, not the name of a record."""

_WORD = re.compile(r"[^\s\"'`,;()\[\]{}<>=|]+")
_WORD_EDGES = ".:!?#"
_BEFORE_A_NUMBER = re.compile(r".*id|record|loan|lead|customer|item|for|updat(e|ing)", re.IGNORECASE)
"""The word before a number that says that the number is an id."""


class Attribution(Struct):
    """What the items say, by the records' index in the chunk."""

    reasons: dict[int, str] = field(default_factory=dict)
    """Of the records that were refused."""
    again: dict[int, int] = field(default_factory=dict)
    """The statuses of those that may be sent again."""
    unnamed_reason: str | None = None
    """The first reason that names no record."""
    statuses: set[int | None] = field(default_factory=set)
    """All that the items say of whether to send again: one of `AGAIN`, or None for a refusal."""
    index_base: int | None = None
    """From which number the API counts records (0 or 1), if these items prove it."""


def attribute(errors: Iterable[Any], ids: Sequence[str], index_base: int | None = None) -> Attribution:
    """Attribute the items of `errors` to the records `ids`; the first item about a record gives the reason.

    `index_base` is what earlier replies have proven of the numbers that the API counts records by.
    """
    items = list(errors)
    index_by_id = {record_id: index for index, record_id in enumerate(ids)}
    proven = _proven_bases(items, index_by_id)
    base = _only(proven if index_base is None else proven | {index_base})
    if base is not None and not all(_is_position(each, base, len(ids)) for item in items for each in _positions(item)):
        base = None
    attribution = Attribution(index_base=base if proven else None)
    for item in items:
        index = _index_of(item, index_by_id, base)
        status = _status_again(item)
        attribution.statuses.add(status)
        if index is None:
            attribution.unnamed_reason = attribution.unnamed_reason or reason_of(item) or WITHOUT_REASON
        elif status is None:
            attribution.reasons.setdefault(index, reason_of(item) or WITHOUT_REASON)
        else:
            attribution.again.setdefault(index, status)
    for index in attribution.reasons:
        attribution.again.pop(index, None)
    return attribution


def _index_of(item: Any, index_by_id: dict[str, int], base: int | None) -> int | None:
    if isinstance(item, str):
        return _index_in_text(item, index_by_id)
    if not isinstance(item, dict):
        return None
    by_name = _indexes_by_name(item, index_by_id)
    if by_name is not None:
        return _only(by_name)
    positions = _positions(item)
    if positions:
        return _only({position - base for position in positions}) if base is not None else None
    texts = (item[key] for key in REASON_KEYS if isinstance(item.get(key), str))
    return _index_in_text(" ".join(texts), index_by_id)


def _indexes_by_name(item: dict[str, Any], index_by_id: dict[str, int]) -> set[int] | None:
    """Return which records an item names by their ids, or None if it names nobody at all."""
    for candidate in _with_nested(item):
        named = [candidate[key] for key in ID_KEYS if key in candidate]
        if named:
            return {index_by_id[text] for text in map(_as_text, named) if text in index_by_id}
    return None


def _proven_bases(items: Sequence[Any], index_by_id: dict[str, int]) -> Set[int | None]:
    """Return the numbers from which the indexes of a reply count, as far as it proves one; several are a contradiction.

    An index beside an id tells it for all. Without one, only from 0 on there is an index 0, and only from 1 on one that
    is as large as the number of records; but only where every item names a record of its own, for else these may be
    numbers that mean nothing.
    """
    count = len(index_by_id)
    beside_ids: set[int | None] = set()
    lone: list[Any] = []
    are_named = True
    for item in items:
        positions = _positions(item)
        by_name = _indexes_by_name(item, index_by_id) if isinstance(item, dict) else None
        named = _only(by_name or set())
        if named is None:
            lone += positions[:1]
            are_named = are_named and by_name is None and len(positions) == 1
        elif positions:
            beside_ids |= {each - named if each is not None and each - named in (0, 1) else None for each in positions}
    ends = {min(each, 1) for each in lone if each in (0, count)}
    return beside_ids or (ends if are_named and len(set(lone)) == len(lone) else set())


def _status_again(item: Any) -> int | None:
    """Return the status of an item that says that its record may be sent again."""
    if not isinstance(item, dict):
        return None
    written = {_as_text(candidate.get(key)) for candidate in _said(item) for key in STATUS_KEYS}
    return next((status.value for status in AGAIN if str(status.value) in written), None)


def _with_nested(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [item, *(value for value in item.values() if isinstance(value, dict))]


def _said(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an item and what is nested in it, without the record's own data where they are sent back."""
    return _with_nested({key: value for key, value in item.items() if key != "data"})


def _positions(item: Any) -> list[Any]:
    """Return what an item says under `INDEX_KEYS`; None for things that are no position."""
    if not isinstance(item, dict):
        return []
    found = [candidate[key] for candidate in _said(item) for key in INDEX_KEYS if key in candidate]
    return [each if isinstance(each, int) and not isinstance(each, bool) else None for each in found]


def _is_position(value: Any, base: int, count: int) -> bool:
    return value is not None and base <= value < base + count


def _only(found: Set[int | None]) -> int | None:
    """Return the only one, if there is no other."""
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
