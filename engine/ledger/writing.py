"""The columns of a new ledger as they are written: entries come in the order of their keys, some at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
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
        self._numbers = np.empty(0, np.int64)
        """Of the tags of entries, by their numbers: as what they are written; -1 where there was none yet."""
        self._used: list[int] = []
        """The tags that there were, in the order in which they are written."""
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
        buckets = (entries.keys >> np.uint64(low_bits)).astype(np.int64)
        filled = np.bincount(buckets - buckets[0]).astype(np.uint32)
        self._filled[buckets[0] : buckets[0] + len(filled)] += filled
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
        """Return the number of each entry's tag as it is written."""
        records = np.bincount(entries.tags)
        self._records.update(dict(enumerate(records.tolist())))
        self._valid.update(dict(enumerate(np.bincount(entries.tags[entries.digests != 0]).tolist())))
        if len(records) > len(self._numbers):
            self._numbers = np.append(self._numbers, np.full(len(records) - len(self._numbers), -1))
        for tag in np.flatnonzero((records > 0) & (self._numbers[: len(records)] < 0)).tolist():
            self._numbers[tag] = len(self._used)
            self._used.append(tag)
        return self._numbers[entries.tags]

    def finish(self, tags: Sequence[Tag]) -> tuple[Header, str]:
        """Make the files durable; return what they hold, and its checksum. `tags` are those of entries, in order."""
        self._open(EDGES)
        self._put(EDGES, np.append(np.uint32(0), np.cumsum(self._filled, dtype=np.uint32)).tobytes())
        header = Header(
            generation=self._generation,
            records=self._count,
            bucket_bits=self._bits,
            bucket_max=int(self._filled.max(initial=0)),
            tags=[tags[number] for number in self._used],
            tag_records=[self._records[number] for number in self._used],
            tag_valid=[self._valid[number] for number in self._used],
            shared=self._shared,
            has_wide_tags=self._has_wide_tags,
        )
        self._open(HEAD)
        self._put(HEAD, msgspec.msgpack.encode(header))
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        return header, one_checksum(self._hashes[name].hexdigest() for name in (HEAD, EDGES, *ENTRY_COLUMNS))
