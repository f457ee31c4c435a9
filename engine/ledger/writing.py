"""The columns of a new ledger as they are written: entries come in the order of their keys, some at a time."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from engine.ledger.columns import (
    DIGESTS,
    EDGES,
    ENTRY_COLUMNS,
    HEAD,
    KEY_BITS,
    KEYS,
    PLACES,
    TAGS,
    Header,
    Tag,
    bucket_bits_for,
    key_type,
    one_checksum,
    path_of,
    tag_type,
)
from engine.ledger.partition import Entries

Array = NDArray[Any]


class ColumnsWriter:
    """Writes the columns of a new ledger, of `most` entries at the most, and sums up what they hold."""

    def __init__(self, stem: Path, generation: str, most: int, has_wide_tags: bool) -> None:
        self._stem, self._generation = stem, generation
        self._bits = bucket_bits_for(most)
        self._has_wide_tags = has_wide_tags
        self._files: dict[str, BinaryIO] = {}
        self._hashes: dict[str, Any] = {}
        self._filled = np.zeros(1 << self._bits, np.uint32)
        self._tags: dict[tuple[int, ...], int] = {}
        self._records: Counter[int] = Counter()
        self._valid: Counter[int] = Counter()
        self._shared: list[int] = []
        self._count = 0
        self._last_key: int | None = None

    def __enter__(self) -> ColumnsWriter:
        for name in ENTRY_COLUMNS:
            self._open(name)
        return self

    def __exit__(self, failed: Any, *_: object) -> None:
        for file in self._files.values():
            file.close()
        if failed is not None:
            for name in self._files:
                path_of(self._stem, self._generation, name).unlink(missing_ok=True)

    def _open(self, name: str) -> None:
        path = path_of(self._stem, self._generation, name)
        self._files[name] = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._hashes[name] = xxhash.xxh3_128()

    def _put(self, name: str, column: bytes) -> None:
        self._files[name].write(column)
        self._hashes[name].update(column)

    def write(self, entries: Entries, places: Array) -> None:
        """Write the next entries; their ids stand at `places`."""
        if not len(entries):
            return
        low_bits = KEY_BITS - self._bits
        self._filled += np.bincount(
            (entries.keys >> np.uint64(low_bits)).astype(np.int64), minlength=len(self._filled)
        ).astype(np.uint32)
        low = entries.keys & np.uint64((1 << low_bits) - 1)
        self._put(KEYS, low.astype(key_type(self._bits)).tobytes())
        self._put(DIGESTS, entries.digests.astype(np.uint64).tobytes())
        self._put(PLACES, places.astype(np.uint32).tobytes())
        self._put(TAGS, self._numbered(entries).astype(tag_type(self._has_wide_tags)).tobytes())
        before = np.append(entries.keys[0] ^ np.uint64(1) if self._last_key is None else self._last_key, entries.keys)
        self._shared += (np.flatnonzero(before[1:] == before[:-1]) + self._count).tolist()
        self._last_key = entries.keys[-1]
        self._count += len(entries)

    def _numbered(self, entries: Entries) -> Array:
        """Return the number of each entry's tag."""
        columns = (entries.runs, entries.held_by, entries.gone_since, entries.gone_from)
        rows = np.stack([column.astype(np.uint32) for column in columns], axis=1)
        different, which = _unique_rows(rows)
        numbers = np.array([self._tags.setdefault(tuple(row), len(self._tags)) for row in different.tolist()])
        tags = numbers[which]
        self._records.update(dict(enumerate(np.bincount(tags).tolist())))
        self._valid.update(dict(enumerate(np.bincount(tags[entries.digests != 0]).tolist())))
        return tags

    def finish(self) -> tuple[Header, str]:
        """Make the files durable; return what they hold, and its checksum."""
        self._open(EDGES)
        self._put(EDGES, np.append(np.uint32(0), np.cumsum(self._filled, dtype=np.uint32)).tobytes())
        header = Header(
            generation=self._generation,
            records=self._count,
            bucket_bits=self._bits,
            bucket_max=int(self._filled.max(initial=0)),
            tags=[Tag(*row) for row in self._tags],
            tag_records=[self._records[number] for number in range(len(self._tags))],
            tag_valid=[self._valid[number] for number in range(len(self._tags))],
            shared=self._shared,
            has_wide_tags=self._has_wide_tags,
        )
        self._open(HEAD)
        self._put(HEAD, msgspec.msgpack.encode(header))
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        return header, one_checksum(self._hashes[name].hexdigest() for name in (HEAD, EDGES, *ENTRY_COLUMNS))


def _unique_rows(rows: Array) -> tuple[Array, Array]:
    """Return the different rows of four 32-bit numbers, and which of them each row is."""
    if (rows == rows[0]).all():
        return rows[:1], np.zeros(len(rows), np.int64)
    halves = rows.astype(np.uint64)
    pairs = halves[:, 0] << np.uint64(32) | halves[:, 1], halves[:, 2] << np.uint64(32) | halves[:, 3]
    first, first_of = np.unique(pairs[0], return_inverse=True)
    second, second_of = np.unique(pairs[1], return_inverse=True)
    both, at, which = np.unique(first_of * len(second) + second_of, return_index=True, return_inverse=True)
    del first, both
    return rows[at], which
