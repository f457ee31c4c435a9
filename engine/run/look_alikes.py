"""Ids that look gone and new at once: tonight's export may write the same id in another way.

An id that was `00123` last night and is `123` tonight is two ids to everybody but a person. So a few ids that are gone
are looked for among the new ones in the ways in which exports usually differ: zeros in front, case, blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.ledger import Columns

LOOKED_FOR_MAX = 200
"""Of so many ids that are gone, others are looked for: where an export writes ids anew, it does so with all of them."""

ZEROS_MAX = 6
EXAMPLES_MAX = 3


def spellings(record_id: str) -> set[str]:
    """Return the ways in which another export may write an id, without the id itself."""
    plain = record_id.strip()
    zeros = {"0" * count + plain for count in range(1, ZEROS_MAX + 1)} | {plain.lstrip("0")}
    blanks = {plain, f" {plain}", f"{plain} ", "".join(plain.split())}
    return {*zeros, *blanks, plain.upper(), plain.lower()} - {record_id, ""}


def look_alikes(columns: Columns, key: int, gone: Iterable[str], *, new_from_byte: int) -> list[tuple[str, str]]:
    """Return ids that are gone beside others that look like them and are new: their texts stand from there on."""
    import numpy as np

    from engine.ledger import find_ids, keys_of

    pairs = [(record_id, other) for record_id in list(gone)[:LOOKED_FOR_MAX] for other in sorted(spellings(record_id))]
    if not pairs:
        return []
    others = [other for _, other in pairs]
    entries = find_ids(columns, np.frombuffer(keys_of(others, key), np.uint64), others)
    is_new = (entries >= 0) & (columns.places[np.maximum(entries, 0)] >= new_from_byte // columns.words.itemsize)
    return sorted(pair for pair, new in zip(pairs, is_new.tolist(), strict=True) if new)


def doubt_about(pairs: Sequence[tuple[str, str]]) -> str | None:
    """Return a sentence about ids that look alike; None without any."""
    if not pairs:
        return None
    examples = ", ".join(f"{old!r} is now {new!r}" for old, new in pairs[:EXAMPLES_MAX])
    return (
        f"ids that are gone equal new ones but for zeros, case or blanks ({examples}): does the export write the same "
        "ids in another way?"
    )
