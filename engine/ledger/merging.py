"""Merging what has changed into the ledger: a new set of files beside the old ones, part by part, in little memory.

The journal is told of the new files, and of the changes that are in them, in one transaction: whatever happens before
that, the old files and all changes are still there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec import Struct

from engine.ledger.changes import Change
from engine.ledger.columns import KEY_BITS, Columns, Header, ids_checksum_of
from engine.ledger.ids import Words
from engine.ledger.lookup import seen_between
from engine.ledger.partition import Changes, Entries, apply, marked
from engine.ledger.spooling import Spool
from engine.ledger.tags import Marking, TagNumbers
from engine.ledger.writing import ColumnsWriter

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
    moved: tuple[int, ...] = ()
    """Entries that it has not seen, but that are not gone, by their indexes, ascending."""


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
        generation = secrets.token_hex(4)
        records = len(base) if base is not None else 0
        most, has_many_tags = records + spool.acknowledged, _has_many_tags(base)
        writer = stack.enter_context(ColumnsWriter(stem, generation, most, has_many_tags))
        file = stack.enter_context(_opened(ids, ids_bytes))
        words = base.words if base is not None else np.empty(0, np.uint64)
        words_before = ids_bytes // words.itemsize
        tags = TagNumbers(base.header.tags if base is not None else ())
        for entries, some, some_words in _parts(base, spool, completed, tags):
            born_held_by = completed.feed if completed else 0
            result, new_words = apply(entries, some, words[:words_before], some_words, tags, born_held_by)
            shift = file.tell() // words.itemsize - words_before
            is_new = result.places >= words_before
            writer.write(result, result.places + np.uint32(shift) * is_new)
            file.write(new_words.tobytes())
            if base is not None:
                base.forget_pages()
        file.flush()
        os.fsync(file.fileno())
        ids_bytes = file.tell()
        header, checksum = writer.finish(tags.tags)
    return Merged(generation, checksum, ids_bytes, ids_checksum_of(ids, ids_bytes), header)


def _opened(path: Path, length: int) -> BinaryIO:
    """Open the file of ids to write behind what counts of it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
    file.truncate(length)
    file.seek(length)
    return file


def _has_many_tags(base: Columns | None) -> bool:
    """Whether the numbers of tags may need more than two bytes: a merge adds few."""
    return base is not None and len(base.header.tags) > TAGS_NARROW


def _parts(
    base: Columns | None, spool: Spool, completed: Completed | None, tags: TagNumbers
) -> Iterator[tuple[Entries, Changes, Words]]:
    """Yield all entries and changes, some consecutive keys at a time, and the words of the ids of the changes."""
    marking = None
    if completed is not None:
        marking = Marking(
            tags,
            feed=completed.feed,
            others=completed.others,
            run=completed.run,
            keep_since=completed.keep_since,
        )
    records = (len(base) if base is not None else 0) + spool.count
    parts = 1 << (records // PART_ENTRIES).bit_length()
    borders = [(number << KEY_BITS) // parts for number in range(parts + 1)]
    start = 0
    for low, high in pairwise(borders):
        stop = _first_from(base, high) if base is not None else 0
        entries = _read(base, start, stop, spool.all_void)
        if completed is not None and marking is not None:
            moved = [entry - start for entry in completed.moved if start <= entry < stop]
            entries = marked(entries, seen_between(completed.seen, start, stop), marking, moved)
        yield entries, *spool.between(low, high)
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
        return Entries(*(np.empty(0, kind) for kind in (np.uint64, np.uint64, np.uint32, np.int64)))
    digests = np.zeros(stop - start, np.uint64) if all_void else base.digests[start:stop]
    return Entries(
        base.short_keys(start, stop), digests, base.places[start:stop], base.tags[start:stop].astype(np.int64)
    )
