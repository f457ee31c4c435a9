"""The mapping of flat lines, taught to the accelerator.

The scanner knows keys, not the configuration: what becomes of the values of a key is said when the key is met for the
first time, in a line that is therefore read in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.sources.ndjson import acceleration
from engine.sources.ndjson.flat import FlatLines, text_of_value
from engine.sources.shaping.shaper import constant_members
from engine.sources.spec import SourceSpec

if TYPE_CHECKING:
    from engine.sources.ndjson import _scan

CONDITIONS_MAX = 64
"""So many conditions of `where` fit into the scanner; with more, lines are read in Python."""


class FlatScan:
    """Reads lines as `flat` does: most of them at once, by `scan`, the others one by one, by `read_line`."""

    def __init__(self, flat: FlatLines, spec: SourceSpec, scanner: _scan.FlatScanner) -> None:
        self._flat = flat
        self._spec = spec
        self._scanner = scanner
        self._learnt: set[str] = set()
        self._keys_max = acceleration.extension().KEYS_MAX
        self._conditions = {name: index for index, name in enumerate(spec.where)}
        self._reserved = {*spec.constants, *(field for field, _ in flat.added_members())}
        self.scan = scanner.scan

    def read_line(self, line: bytes) -> tuple[str, bytes] | None:
        """Read a line as `FlatLines.read_line` does, and let the scanner know its keys from then on."""
        try:
            return self._flat.read_line(line)
        finally:
            for key in self._flat.last_keys:
                if key not in self._learnt and not self._learn(key):
                    break

    def _learn(self, key: str) -> bool:
        """Tell the scanner what becomes of the values of a key; whether there was room for it."""
        if len(self._learnt) == self._keys_max:
            return False
        if msgspec.json.encode(key) != b'"%b"' % key.encode():
            return True  # written with escapes, which the scanner declines anyway
        shaper = self._flat.shaper_of(key)
        field = self._spec.field_of(key)
        is_id = key == self._spec.id
        id_is_shaped = is_id and not self._flat.id_shaper.only_null_words
        is_shaped = field is not None and not shaper.only_null_words
        is_taken = key in self._flat.added or (field is not None and field in self._reserved)
        self._learnt.add(key)
        return self._scanner.learn(
            key.encode(),
            is_id,
            id_is_shaped or is_shaped or is_taken,
            None if field is None else msgspec.json.encode(field) + b":",
            _words(shaper.null_words) if field is not None else (),
            self._conditions.get(key, -1),
            _words(self._spec.where.get(key, ())),
        )


def flat_scan(flat: FlatLines, spec: SourceSpec, line_bytes_max: int) -> FlatScan | None:
    """Return what reads lines as `flat` does, faster; None where no line could be scanned."""
    members = flat.added_members()
    fields = [*(field for field, _ in members), *spec.constants]
    if len(spec.where) > CONDITIONS_MAX or len(set(fields)) < len(fields):
        return None
    met_by_nothing = sum(
        1 << index
        for index, (name, texts) in enumerate(spec.where.items())
        if text_of_value(flat.added.get(name)) in texts
    )
    scanner = acceleration.extension().FlatScanner(
        line_bytes_max,
        acceleration.id_seed,
        spec.nulls == "omit",
        b",".join(member for _, member in members),
        constant_members(spec.constants).encode(),
        _words(flat.id_shaper.null_words),
        (1 << len(spec.where)) - 1,
        met_by_nothing,
    )
    return FlatScan(flat, spec, scanner)


def _words(words: frozenset[str] | tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in words)
