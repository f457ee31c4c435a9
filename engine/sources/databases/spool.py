"""The file that the result of a database becomes: private, compressed, and never so large that the disk is full.

It appears under its name only when it is complete. Its time of change is when its snapshot was taken.
"""

from __future__ import annotations

import io
import os
import shutil
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self, cast

import zstandard

from engine.sources.databases.address import DatabaseQuery
from engine.sources.databases.session import Piece
from engine.sources.stored.local import LocalStore
from engine.sources.stored.store import StoredObject
from engine.values import SourceMissing, SourceUntrusted, StateFailed

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

FREE_BYTES_MIN = 64 << 20
"""So much of the disk stays free: the run's own journal needs room, too."""

CHECKED_EVERY_BYTES = 1 << 20

_LEVEL = 3
"""Of zstd: as fast as the disk, and half the size of what is faster."""

_DRAFT = ".draft"


class Spool(NamedTuple):
    """A complete result: the file, and when its snapshot was taken, in seconds since 1970, by the millisecond."""

    file: StoredObject
    taken_at: float


def spool_path(directory: Path, asked: DatabaseQuery) -> Path:
    """Return where the result of a query lies."""
    name = blake2b(asked.feed.encode(), digest_size=8).hexdigest()
    return directory / f"{name}.{'parquet' if asked.spool_format == 'parquet' else 'ndjson.zst'}"


def find_spool(directory: Path, asked: DatabaseQuery) -> Spool | None:
    """Return the complete result of a query that an earlier process has left; None if there is none."""
    try:
        return _spool_at(spool_path(directory, asked), asked)
    except (SourceMissing, SourceUntrusted):
        return None


def delete_spools(directory: Path, *, but: Spool | None = None) -> None:
    """Delete what earlier processes have left, complete or not."""
    with suppress(OSError):
        for path in directory.iterdir():
            if but is None or os.path.realpath(path) != but.file.identity:
                path.unlink()
        if but is None:
            directory.rmdir()


class SpoolWriter:
    """Writes one result; what was not kept at the end of the `with` block is deleted.

    Raises:
        StateFailed: the file cannot be written, or the disk is nearly full; so do `write` and `keep`.
    """

    def __init__(self, directory: Path, asked: DatabaseQuery, schema: pa.Schema | None, taken_at: float) -> None:
        self._asked, self._taken_at = asked, taken_at
        self._path = spool_path(directory, asked)
        self._draft = self._path.with_name(self._path.name + _DRAFT)
        self._sink = _PrivateFile(self._draft)
        self._table = None if schema is None else _parquet_writer(self._sink, schema)
        self._lines = zstandard.ZstdCompressor(_LEVEL).stream_writer(cast("IO[bytes]", self._sink), closefd=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._table is not None:
            with suppress(Exception):  # it writes its end wherever it is; only a kept file matters
                self._table.close()
        self._sink.close()
        with suppress(OSError):
            self._draft.unlink()

    def write(self, piece: Piece) -> None:
        """Add some rows."""
        if self._table is not None:
            self._table.write_batch(piece)
        else:
            self._lines.write(piece)

    def keep(self) -> Spool:
        """Make the file durable and give it its name; all rows are in it."""
        if self._table is not None:
            self._table.close()
        else:
            self._lines.flush(zstandard.FLUSH_FRAME)
        self._sink.finish(self._taken_at)
        try:
            self._draft.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            raise _cannot(self._path, error) from error
        return _spool_at(self._path, self._asked)


def _parquet_writer(sink: _PrivateFile, schema: pa.Schema) -> parquet.ParquetWriter:
    from pyarrow import parquet  # here, because it takes long, and most sources are no databases

    return parquet.ParquetWriter(sink, schema, compression="zstd", compression_level=_LEVEL)


class _PrivateFile(io.RawIOBase):
    """A new file that only its owner may read; it looks at the room on the disk while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = self._checked_at = 0
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=CHECKED_EVERY_BYTES)
        except OSError as error:
            raise _cannot(path, error) from error
        try:
            self._check_room()
        except BaseException:
            self.close()
            path.unlink()
            raise

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._written

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write all of the data."""
        size = memoryview(data).nbytes
        self._written += size
        if self._written - self._checked_at >= CHECKED_EVERY_BYTES:
            self._check_room()
        try:
            self._file.write(data)
        except OSError as error:
            raise _cannot(self._path, error) from error
        return size

    def finish(self, changed_at: float) -> None:
        """Make the content durable, with this time of change."""
        try:
            self._file.flush()
            os.utime(self._file.fileno(), ns=(milliseconds(changed_at), milliseconds(changed_at)))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _cannot(self._path, error) from error

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # a full disk again
            self._file.close()
        super().close()

    def _check_room(self) -> None:
        self._checked_at = self._written
        if shutil.disk_usage(self._path.parent).free < FREE_BYTES_MIN:
            raise StateFailed(
                f"{self._path.parent}: the disk is nearly full ({FREE_BYTES_MIN >> 20} MiB are left free), and the "
                "result of the database is not all there; free space, then run the same command again"
            )


def milliseconds(seconds: float) -> int:
    """Return seconds in nanoseconds that are whole milliseconds: so exactly, the journal knows when runs began."""
    return int(seconds * 1_000) * 1_000_000


def _spool_at(path: Path, asked: DatabaseQuery) -> Spool:
    [stored] = LocalStore().list(str(path))
    return Spool(stored._replace(path=asked.label), stored.modified_at)


def _cannot(path: Path, error: OSError) -> StateFailed:
    return StateFailed(f"{path}: the result of the database cannot be written ({error.strerror}); free space or check "
                       "the rights, then run the same command again")  # fmt: skip


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
