"""The ledger on the disk: entries in the order of their keys, a file for each of their columns.

An entry is a key (of its id), a digest (of the record that was acknowledged last; 0 is void), the place of its id among
the ids, and a tag. A tag says which run acknowledged it, which feeds hold it, and since when it is gone: there are few
different ones, so they are numbered. Of a key, 52 bits are kept: the first `bucket_bits` of them say where to look
(`edges`), the others stand in the column. Files are made once and never changed, but for that of the ids, which grows.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import xxhash
from msgspec import Struct
from numpy.typing import NDArray

from engine.ledger.ids import Words, id_at

KEY_BITS = 52
"""So many bits of a key are kept: at ten million ids, two of them share a key once in a hundred ledgers."""
DROPPED_BITS = np.uint64(64 - KEY_BITS)
BUCKET_BITS_MAX = 20
RECORDS_PER_BUCKET = 8
READ_BYTES = 1 << 20

HEAD, EDGES, KEYS, DIGESTS, PLACES, TAGS, IDS = "head", "edges", "keys", "digests", "places", "tags", "ids"
ENTRY_COLUMNS = (KEYS, DIGESTS, PLACES, TAGS)

Array = NDArray[Any]


class NotTheLedger(Exception):
    """The files are not those that the journal knows: missing, damaged, or older."""


class Tag(Struct, frozen=True, array_like=True):
    """What many entries have in common. Runs are told by their numbers, feeds by bits."""

    run: int
    """The run that acknowledged the record last."""
    held_by: int = 0
    """The feeds whose last complete run held the id."""
    gone_since: int = 0
    """The complete run that first held it no more; 0 if it is not gone."""
    gone_from: int = 0
    """The feed whose run that was."""


class Header(Struct, frozen=True):
    """What is known of all entries."""

    generation: str
    records: int
    bucket_bits: int
    bucket_max: int
    """How many entries the fullest bucket has."""
    tags: list[Tag]
    tag_records: list[int]
    """How many entries have each tag ..."""
    tag_valid: list[int]
    """... and how many of these are not void."""
    shared: list[int]
    """Entries whose key is that of the entry before them, by their indexes."""
    has_wide_tags: bool = False
    """Whether the numbers of tags take four bytes, else two."""

    @property
    def low_bits(self) -> int:
        """How many bits of a key stand in its column."""
        return KEY_BITS - self.bucket_bits

    @property
    def valid(self) -> int:
        """How many entries are not void."""
        return sum(self.tag_valid)


def bucket_bits_for(records: int) -> int:
    """Return how many bits of a key tell where to look among so many entries."""
    return min(BUCKET_BITS_MAX, max(0, (records // RECORDS_PER_BUCKET).bit_length() - 1))


def key_type(bucket_bits: int) -> type[np.unsignedinteger[Any]]:
    """Return the type of the column of keys."""
    return np.uint32 if KEY_BITS - bucket_bits <= 32 else np.uint64


def tag_type(is_wide: bool) -> type[np.unsignedinteger[Any]]:
    """Return the type of the column of tags."""
    return np.uint32 if is_wide else np.uint16


def path_of(stem: Path, generation: str, column: str) -> Path:
    """Return the file of a column."""
    return stem.with_name(f"{stem.name}-{generation}.{column}")


class Columns:
    """The open ledger. Its arrays are mapped: what is not looked at is not read."""

    def __init__(self, stem: Path, header: Header, ids: Path | None = None) -> None:
        self.header = header
        self.edges = _mapped(path_of(stem, header.generation, EDGES), np.uint32)
        self.keys = _mapped(path_of(stem, header.generation, KEYS), key_type(header.bucket_bits))
        self.digests = _mapped(path_of(stem, header.generation, DIGESTS), np.uint64)
        self.places = _mapped(path_of(stem, header.generation, PLACES), np.uint32)
        self.tags = _mapped(path_of(stem, header.generation, TAGS), tag_type(header.has_wide_tags))
        self.words: Words = _mapped(ids, np.uint64) if ids is not None else np.empty(0, np.uint64)

    def __len__(self) -> int:
        return self.header.records

    def id(self, entry: int) -> str:
        """Return the id of an entry."""
        return id_at(self.words, int(self.places[entry]))

    def forget_pages(self) -> None:
        """Let the system take back the memory that the files are mapped to; what is looked at is read again."""
        for column in (self.edges, self.keys, self.digests, self.places, self.tags, self.words):
            mapped = getattr(column.base, "obj", None)
            if isinstance(mapped, mmap.mmap):
                mapped.madvise(mmap.MADV_DONTNEED)

    def short_keys(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Return the keys of consecutive entries, as far as they are kept."""
        start_edge, stop_edge = np.array([start, stop], self.edges.dtype)  # of another type, all edges were converted
        first = int(np.searchsorted(self.edges, start_edge, side="right")) - 1
        last = int(np.searchsorted(self.edges, stop_edge, side="left"))
        edges = np.clip(self.edges[first : last + 1].astype(np.int64), start, stop)
        filled = edges[1:] - edges[:-1]
        buckets = np.repeat(np.arange(first, first + len(filled), dtype=np.uint64), filled)
        return (buckets << np.uint64(self.header.low_bits)) | self.keys[start:stop].astype(np.uint64)


def open_columns(stem: Path, generation: str, ids: Path | None = None) -> Columns:
    """Open the ledger of this generation.

    Raises:
        NotTheLedger: it is not there.
    """
    try:
        header = msgspec.msgpack.decode(path_of(stem, generation, HEAD).read_bytes(), type=Header)
        return Columns(stem, header, ids)
    except (OSError, ValueError) as error:
        raise NotTheLedger("its files are missing or cut") from error


def verify(stem: Path, generation: str, checksum: str, ids: Path, ids_bytes: int, ids_checksum: str) -> None:
    """Read all of a ledger.

    Raises:
        NotTheLedger: it is not what the journal knows.
    """
    try:
        if checksum_of(stem, generation) != checksum:
            raise NotTheLedger("its files are damaged")
        if ids_checksum_of(ids, ids_bytes) != ids_checksum:
            raise NotTheLedger("its file of ids is damaged")
    except OSError as error:
        raise NotTheLedger("its files are missing") from error


def checksum_of(stem: Path, generation: str) -> str:
    """Return what the columns hold, as one checksum.

    Raises:
        OSError: one can't be read.
    """
    return one_checksum(_hash_file(path_of(stem, generation, name)) for name in (HEAD, EDGES, *ENTRY_COLUMNS))


def one_checksum(checksums: Iterable[str]) -> str:
    """Return one checksum of several."""
    return xxhash.xxh3_128_hexdigest("".join(checksums).encode())


def ids_checksum_of(ids: Path, length: int) -> str:
    """Return the checksum of the first `length` bytes of the ids.

    Raises:
        OSError: they can't be read.
    """
    return _hash_file(ids, length)


def _hash_file(path: Path, length: int | None = None) -> str:
    seen = xxhash.xxh3_128()
    with path.open("rb") as file:
        for piece in _pieces(file, length):
            seen.update(piece)
    return seen.hexdigest()


def _pieces(file: BinaryIO, length: int | None) -> Iterator[bytes]:
    left = os.fstat(file.fileno()).st_size if length is None else length
    while left and (piece := file.read(min(READ_BYTES, left))):
        left -= len(piece)
        yield piece


def delete_files(stem: Path, *, but: tuple[str, ...] = ()) -> None:
    """Delete all files of a ledger, but for those of these generations."""
    for path in stem.parent.glob(f"{stem.name}-*"):
        if not any(path.name.startswith(f"{stem.name}-{each}.") for each in but):
            with suppress(OSError):
                path.unlink()


def _mapped(path: Path, kind: Any) -> Array:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size // np.dtype(kind).itemsize
        # Not np.memmap: each piece of such an array would be one again, which takes longer than many a look-up.
        return (
            np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), kind, size)
            if size
            else np.empty(0, kind)
        )
