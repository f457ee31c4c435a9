"""Keys that the settings name must occur: an `exclude` that is misspelt would send what it is meant to keep back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Never

from engine.sources.spec import SourceSpec
from engine.values import Block, ConfigError, count_of

JUDGED_RECORDS = 10_000
"""After so many records of a source, each key that is named must have been met by one of them."""

HELD_BYTES_MAX = 64 << 20
"""It is judged earlier if what is held back until then becomes larger than this."""

KEYS_SHOWN_MAX = 30
"""So many of the keys that were met are named; records may have other keys each."""


def once_keys_are_met(blocks: Iterable[Block], spec: SourceSpec, seen: set[str], label: str) -> Iterator[Block]:
    """Yield `blocks`, but none before each key that `spec` names was met.

    `seen` are the keys met so far, as long as one of them is waited for.

    Raises:
        ConfigError: there are keys that no record has.
    """
    wanted = _named_keys(spec)
    held: list[Block] = []
    records = held_bytes = 0
    for block in blocks:
        if wanted:
            wanted = {name: key for name, key in wanted.items() if name not in seen}
        if not wanted or not seen:  # of what came so far no line could be read, so that nothing is sent
            yield from held
            held = []
            yield block
            if not wanted:
                seen.clear()
            continue
        held.append(block)
        records += len(block.ids) + len(block.refusals) + count_of(block.filtered)
        held_bytes += len(block.lines)
        if records >= JUDGED_RECORDS or held_bytes > HELD_BYTES_MAX:
            _refuse(wanted, seen, f"the first {records:,} records of {label}")
    if held:
        _refuse(wanted, seen, label)


def _named_keys(spec: SourceSpec) -> dict[str, str]:
    """Return the keys that must occur, and which setting names each."""
    named = {name: key for key, names in spec.named_columns().items() for name in names}
    may_be_absent = {name for name, texts in spec.where.items() if "" in texts}
    return {name: key for name, key in named.items() if name not in may_be_absent}


def _refuse(wanted: dict[str, str], seen: Set[str], where: str) -> Never:
    missing = "; ".join(f"no record has the key {name!r} ({key})" for name, key in sorted(wanted.items()))
    shown = ", ".join(sorted(seen)[:KEYS_SHOWN_MAX])
    others = f" and {len(seen) - KEYS_SHOWN_MAX:,} others" if len(seen) > KEYS_SHOWN_MAX else ""
    met = f"; its keys are {shown}{others}" if seen else ""
    raise ConfigError(f"{where}: {missing}{met}")
