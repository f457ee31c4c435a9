"""One thing, or several."""

from __future__ import annotations

import re
from pathlib import Path

from engine.values.amounts import counted

ENGINE = Path(__file__).parents[2] / "engine"

_MAY_BE_ONE = r"[^{}]*(?:count|len\(|\.requests|\.read|\.sent|\.found|records)[^{}]*"

PLURAL_BY_HAND = re.compile(r"\{(?!counted\()" + _MAY_BE_ONE + r":,\} (?:requests|records|ids)\b")
"""A number that may be one, with a noun behind it that is always several."""

OF_MANY = {"All {records.read:,} records", "the first {records:,} records"}
"""Where it is never one."""


def test_a_noun_follows_its_number() -> None:
    assert [counted(count, "request") for count in (0, 1, 2, 1_000)] == [
        "0 requests",
        "1 request",
        "2 requests",
        "1,000 requests",
    ]


def test_no_sentence_makes_a_plural_by_hand() -> None:
    found = [
        f"{path.relative_to(ENGINE)}: {line.strip()}"
        for path in sorted(ENGINE.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if PLURAL_BY_HAND.search(line) and not any(known in line for known in OF_MANY)
    ]
    assert not found
