"""Why records were not accepted, grouped, without any of their own values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecoder
from typing import Any

from engine.values import EXAMPLE_IDS_MAX, ChunkResult, Outcome, Reason

REASONS_MAX = 200
"""So many different reasons are kept apart; further ones are counted together."""
OTHER_REASONS = "other reasons"

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_decoder = JSONDecoder(parse_int=str, parse_float=str)
"""Reads whatever a source lets through: numbers of any size stay the text they are."""
_MASK = "…"
_MASKED_CHARACTERS_MIN = 2
"""Values shorter than this say nothing about a person."""
_SHORT_CHARACTERS = 4


def reasons(result: ChunkResult) -> list[Reason]:
    """Return the reasons of a chunk, grouped, with the record's own values masked."""
    groups: dict[tuple[str, str], Reason] = {}
    for refusal in result.chunk.refusals:
        add_reason(groups, Reason(Outcome.INVALID, refusal.reason, 1, [refusal.id] if refusal.id else []))
    lines = result.chunk.lines.split(b"\n") if result.failures else []
    for failure in result.failures:
        reason = masked(failure.reason, lines[failure.index])
        add_reason(groups, Reason(failure.outcome, reason, 1, [result.chunk.ids[failure.index]]))
    return list(groups.values())


def add_reason(groups: dict[tuple[str, str], Reason], new: Reason) -> None:
    """Add `new` to the group of the same outcome and reason; open a group while there is room for one."""
    key = (str(new.outcome), new.reason)
    if key not in groups and len(groups) >= REASONS_MAX:
        key = (str(new.outcome), OTHER_REASONS)
    group = groups.setdefault(key, Reason(key[0], key[1], 0, []))
    group.count += new.count
    group.example_ids += new.example_ids[: EXAMPLE_IDS_MAX - len(group.example_ids)]


def masked(reason: str, line: bytes) -> str:
    """Return the API's `reason` for the record in `line` without the record's id, values and numbers.

    An API may quote what it refuses; reports and logs must not hold record data, and reasons without it group well.
    """
    record = _decoder.decode(line.decode())
    texts = {text for text in _texts(record["data"]) if len(text) >= _MASKED_CHARACTERS_MIN} | {record["id"]}
    values = [text for text in texts if not _NUMBER.fullmatch(text)]  # numbers are masked whoever's they are
    folded = reason.casefold()
    for value in sorted(values, key=len, reverse=True):
        if value.casefold() in folded:  # rarely so, and quicker to tell than to replace
            reason = re.sub(_quoted(value), _MASK, reason, flags=re.IGNORECASE)
    return _NUMBER.sub("#", reason)


def _quoted(value: str) -> str:
    """Return the pattern of `value` in a reason: a short one only as a word of its own, or it would tear others."""
    pattern = re.escape(value)
    return pattern if len(value) >= _SHORT_CHARACTERS else rf"(?<!\w){pattern}(?!\w)"


def _texts(value: Any) -> Iterator[str]:
    """Yield all values of a JSON document as the texts under which they might be quoted."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
        yield value.strip()
