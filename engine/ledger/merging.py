"""Merging what has changed into the ledger: a new set of files beside the old ones, part by part, in little memory.

The journal is told of the new files, and of the changes that are in them, in one transaction: whatever happens before
that, the old files and all changes are still there.
"""

from __future__ import annotations

import mmap
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import msgspec
import numpy as np
import xxhash
from msgspec import Struct
from numpy.typing import NDArray

from engine.ledger.changes import Acknowledged, Change, Removed, Voided, VoidedAll
from engine.ledger.columns import (
    DIGESTS,
    DROPPED_BITS,
    EDGES,
    ENTRY_COLUMNS,
    HEAD,
    KEY_BITS,
    KEYS,
    PLACES,
    TAGS,
    Columns,
    Header,
    Tag,
    bucket_bits_for,
    ids_checksum_of,
    key_type,
    one_checksum,
    path_of,
    tag_type,
)
from engine.ledger.lookup import seen_between
from engine.ledger.partition import ACKNOWLEDGED, REMOVED, VOIDED, Changes, Entries, apply, marked

Array = NDArray[Any]

PART_ENTRIES = 500_000
"""About so many entries and changes are merged at once."""

TAGS_NARROW = 50_000


class Completed(Struct, frozen=True):
    """A complete run of a feed: what it has seen of the entries before the merge (see `Seen`)."""

    feed: int
    run: int
    seen: bytes
    others: int = 0
    """Other feeds of the campaign that count."""
    keep_since: int = 0
    """What has been gone since before this run is no more of interest."""


class Merged(Struct, frozen=True):
    """The new ledger, as the journal has to know it."""

    generation: str
    checksum: str
    ids_bytes: int
    ids_checksum: str
    header: Header


def merge(
    base: Columns | None,
    changes: Iterable[tuple[int, Change]],
    *,
    stem: Path,
    ids: Path,
    ids_bytes: int,
    completed: Completed | None = None,
) -> Merged:
    """Write the ledger that comes of `base` and `changes`, each with the number of its run, and of a complete run.

    The ids that are new are written behind the first `ids_bytes` of the file `ids`.

    Raises:
        OSError: something can't be written; the old ledger is as it was.
    """
    with ExitStack() as stack:
        spool = Spool(stack, stem.parent)
        for run, change in changes:
            spool.add(run, change)
        spooled = spool.read()
        generation = secrets.token_hex(4)
        writer = stack.enter_context(_Writer(stem, generation, _most(base, spooled), _has_many_tags(base)))
        file = stack.enter_context(_opened(ids, ids_bytes))
        words = base.words if base is not None else np.empty(0, np.uint64)
        words_before = ids_bytes // words.itemsize
        for entries, some in _parts(base, spooled, completed):
            born_held_by = completed.feed if completed else 0
            result, new_words = apply(entries, some, words[:words_before], spooled.words, born_held_by)
            shift = file.tell() // words.itemsize - words_before
            is_new = result.places >= words_before
            writer.write(result.at(slice(None)), np.where(is_new, result.places + np.uint32(shift), result.places))
            file.write(new_words.tobytes())
            spooled.forget_pages()
        file.flush()
        os.fsync(file.fileno())
        ids_bytes = file.tell()
        header, checksum = writer.finish()
    return Merged(generation, checksum, ids_bytes, ids_checksum_of(ids, ids_bytes), header)


def _opened(path: Path, length: int) -> BinaryIO:
    """Open the file of ids to write behind what counts of it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
    file.truncate(length)
    file.seek(length)
    return file


def _most(base: Columns | None, spooled: Spooled) -> int:
    return (len(base) if base is not None else 0) + int((spooled.changes.kinds == ACKNOWLEDGED).sum())


def _has_many_tags(base: Columns | None) -> bool:
    """Whether the numbers of tags may need more than two bytes: a merge adds few."""
    return base is not None and len(base.header.tags) > TAGS_NARROW


def _parts(base: Columns | None, spooled: Spooled, completed: Completed | None) -> Iterator[tuple[Entries, Changes]]:
    """Yield all entries and changes, some consecutive keys at a time."""
    keys = spooled.changes.keys
    parts = 1 + ((len(base) if base is not None else 0) + len(keys)) // PART_ENTRIES
    borders = [(number << KEY_BITS) // parts for number in range(parts + 1)]
    start = 0
    for low, high in zip(borders[:-1], borders[1:], strict=True):
        which = slice(None) if parts == 1 else np.flatnonzero((keys >= np.uint64(low)) & (keys < np.uint64(high)))
        stop = _first_from(base, high) if base is not None else 0
        entries = _read(base, start, stop, spooled.all_void)
        if completed is not None:
            seen = seen_between(completed.seen, start, stop)
            entries = marked(
                entries,
                seen,
                feed=completed.feed,
                others=completed.others,
                run=completed.run,
                keep_since=completed.keep_since,
            )
        yield entries, spooled.changes.at(which)
        start = stop


def _first_from(base: Columns, key: int) -> int:
    """Return the index of the first entry with this key or a greater one."""
    low_bits = base.header.low_bits
    bucket = key >> low_bits
    if bucket >= len(base.edges) - 1:
        return len(base)
    start, stop = int(base.edges[bucket]), int(base.edges[bucket + 1])
    low = base.keys.dtype.type(key & ((1 << low_bits) - 1))
    return start + int(np.searchsorted(base.keys[start:stop], low))


def _read(base: Columns | None, start: int, stop: int, all_void: bool) -> Entries:
    if base is None:
        keys, digests, places, tags = (np.empty(0, kind) for kind in (np.uint64, np.uint64, np.uint32, np.uint16))
        table = np.empty((1, 4), np.uint32)
    else:
        keys, digests = base.short_keys(start, stop), np.array(base.digests[start:stop])
        places, tags = np.array(base.places[start:stop]), base.tags[start:stop]
        table = np.array([(t.run, t.held_by, t.gone_since, t.gone_from) for t in base.header.tags], np.uint32)
    if all_void:
        digests[:] = 0
    runs, held_by, gone_since, gone_from = (
        (table[:, number][tags] for number in range(4)) if len(tags) else (np.empty(0, np.uint32) for _ in range(4))
    )
    return Entries(keys, digests, places, runs, held_by, gone_since, gone_from)


class Spool:
    """Takes changes in their order and puts them into files without names: there may be as many as records."""

    def __init__(self, stack: ExitStack, where: Path) -> None:
        self._files = {name: stack.enter_context(TemporaryFile(dir=where)) for name in (*Changes.__slots__, "words")}
        self._words = 0
        self._count = 0
        self._void_until = 0
        self._all_void = False

    def add(self, run: int, change: Change) -> None:
        """Take the next change, of the run with this number."""
        if isinstance(change, VoidedAll):
            self._void_until, self._all_void = self._count, True
            return
        keys = np.frombuffer(change.keys, np.uint64) >> DROPPED_BITS
        count = len(keys)
        kind, digests, places = VOIDED, np.zeros(count, np.uint64), np.zeros(count, np.uint32)
        if isinstance(change, Acknowledged):
            kind, digests = ACKNOWLEDGED, np.frombuffer(change.digests, np.uint64)
        elif isinstance(change, Removed):
            kind = REMOVED
        if not isinstance(change, Voided):
            places = np.frombuffer(change.begins, np.uint32) + np.uint32(self._words)
            self._files["words"].write(change.words)
            self._words += len(change.words) // 8
        columns = (keys, np.full(count, kind, np.uint8), digests, np.full(count, run, np.uint32), places)
        for name, column in zip(Changes.__slots__, columns, strict=True):
            self._files[name].write(column.tobytes())
        self._count += count

    def read(self) -> Spooled:
        """Return all that was taken. What was acknowledged before all was voided is void."""
        kinds = dict(zip(Changes.__slots__, (np.uint64, np.uint8, np.uint64, np.uint32, np.uint32), strict=True))
        columns = {name: self._mapped(name, kind) for name, kind in kinds.items()}
        if self._void_until:
            columns["digests"] = np.concatenate(
                [np.zeros(self._void_until, np.uint64), columns["digests"][self._void_until :]]
            )
        return Spooled(Changes(**columns), self._mapped("words", np.uint64), self._all_void)

    def _mapped(self, name: str, kind: Any) -> Array:
        file = self._files[name]
        file.flush()
        size = file.tell() // np.dtype(kind).itemsize
        return np.memmap(file, kind, "r", shape=(size,)) if size else np.empty(0, kind)  # type: ignore[call-overload,no-any-return]


class Spooled:
    """Changes, mapped from files."""

    def __init__(self, changes: Changes, words: Array, all_void: bool) -> None:
        self.changes = changes
        self.words = words
        self.all_void = all_void
        """Whether all entries were voided."""

    def forget_pages(self) -> None:
        """Let the system take the memory back that the files are mapped to."""
        for name in Changes.__slots__:
            mapped = getattr(getattr(self.changes, name), "_mmap", None)
            if mapped is not None:
                mapped.madvise(mmap.MADV_DONTNEED)


class _Writer:
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

    def __enter__(self) -> _Writer:
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
