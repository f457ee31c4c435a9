"""The columns of a new ledger as they are written: entries come in the order of their keys, some at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
        self._disk = _EarlySync()
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
        self._disk.end()
        for file in self._files.values():
            file.close()
        if failed is not None:
            for name in self._files:
                path_of(self._stem, self._generation, name).unlink(missing_ok=True)

    def _open(self, name: str) -> None:
        path = path_of(self._stem, self._generation, name)
        self._files[name] = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._hashes[name] = xxhash.xxh3_128()

    def _put(self, name: str, column: bytes | memoryview) -> None:
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
        self._put(KEYS, low.astype(key_type(self._bits)).data)
        self._put(DIGESTS, np.ascontiguousarray(entries.digests, np.uint64).data)
        self._put(PLACES, np.ascontiguousarray(places, np.uint32).data)
        self._put(TAGS, self._numbered(entries).astype(tag_type(self._has_wide_tags)).data)
        before = np.append(entries.keys[0] ^ np.uint64(1) if self._last_key is None else self._last_key, entries.keys)
        self._shared += (np.flatnonzero(before[1:] == before[:-1]) + self._count).tolist()
        self._last_key = entries.keys[-1]
        self._count += len(entries)
        self._disk.begin(self._files.values())

    def _numbered(self, entries: Entries) -> Array:
        """Return the number of each entry's tag as it is written."""
        counts = np.bincount(entries.tags * 2 + (entries.digests != 0))
        counts.resize(-(-len(counts) // 2), 2)  # of each tag: the void ones, and the others
        records, valid = counts.sum(axis=1), counts[:, 1]
        self._records.update(dict(enumerate(records.tolist())))
        self._valid.update(dict(enumerate(valid.tolist())))
        if len(records) > len(self._numbers):
            self._numbers = np.append(self._numbers, np.full(len(records) - len(self._numbers), -1))
        for tag in np.flatnonzero((records > 0) & (self._numbers[: len(records)] < 0)).tolist():
            self._numbers[tag] = len(self._used)
            self._used.append(tag)
        return self._numbers[entries.tags]

    def finish(self, tags: Sequence[Tag]) -> tuple[Header, str]:
        """Make the files durable; return what they hold, and its checksum. `tags` are those of entries, in order."""
        self._open(EDGES)
        self._put(EDGES, np.append(np.uint32(0), np.cumsum(self._filled, dtype=np.uint32)).data)
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
        self._disk.wait()
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        return header, one_checksum(self._hashes[name].hexdigest() for name in (HEAD, EDGES, *ENTRY_COLUMNS))


class _EarlySync:
    """Lets the disk write what there is while the next entries are computed, so that little is left in the end."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-sync")
        self._under_way: Future[None] | None = None

    def begin(self, files: Iterable[BinaryIO]) -> None:
        """Begin to make durable what was written to the files, unless the disk is still at what came before.

        Raises:
            OSError: what came before could not be written; only once does the system say so of a file.
        """
        if self._under_way is None or self._under_way.done():
            self.wait()
            for file in files:
                file.flush()
            self._under_way = self._thread.submit(_sync, [file.fileno() for file in files])

    def wait(self) -> None:
        """Wait for what has begun; raises as `begin` does."""
        if self._under_way is not None:
            self._under_way.result()

    def end(self) -> None:
        """Wait until no file is used any more."""
        self._thread.shutdown()


def _sync(files: Sequence[int]) -> None:
    for file in files:
        os.fdatasync(file)
