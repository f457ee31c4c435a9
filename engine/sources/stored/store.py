"""A place that has files: what is asked of a disk, an object store or a server, and nothing else.

Every implementation passes one suite, `tests/sources/stored/test_store_contract.py`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from engine.values import SourceUntrusted

StoredStream: TypeAlias = io.RawIOBase | io.BufferedIOBase
"""Bytes as they are stored. `read` and `readinto` return none only at the end, but fewer than asked for anywhere."""


class StoredObject(NamedTuple):
    """A file as it was when it was listed.

    `path` is how the user, messages and journals call it. `size` is in bytes. `version` differs from that of every
    other content the object had or will have, as far as the place can tell. `identity` is the same for the same object
    found by another path. `modified_at` is when its content was changed last, in seconds since the epoch. `content_tag`
    is the place's own proof of the content, such as an ETag: the same only for the same bytes; None without one.
    """

    path: str
    size: int
    version: str
    identity: str
    modified_at: float
    content_tag: str | None = None


class Store(Protocol):
    """A place that has files. Its methods may block; they are called in threads."""

    def list(self, pattern: str) -> Sequence[StoredObject]:
        """Return the object at a path, all below a directory, or those that match a glob (`*`, `?`, `[…]`, `**`).

        They are sorted by their paths. What exists under the very text of `pattern` is meant literally. Directories are
        not objects, so a glob passes over them. Hidden names (`names.is_part`) are left out unless they are named.

        Raises:
            SourceMissing: there is none.
            SourceUntrusted: one of them can't be read.
        """
        ...

    def open(self, stored: StoredObject, start: int = 0) -> StoredStream:
        """Open an object at byte `start`; the caller closes the stream.

        The stream is the caller's alone, so many can be open at once. Text is read from front to back. Parquet is read
        here and there (the end first, then the columns of one group of rows after another): for it the stream must be
        seekable from any start.

        Raises:
            SourceMissing: the object has gone.
            SourceUntrusted: it can't be read, or is not the version that was listed any more.
        """
        ...

    def verify(self, stored: StoredObject, stream: StoredStream | None = None) -> None:
        """Make sure that an object still is what was listed, and what `stream` reads if that is given.

        Raises:
            SourceUntrusted: it has grown, shrunk, gone, was replaced or written again; the message says which.
        """
        ...

    def content_encoding(self, stored: StoredObject) -> str | None:
        """Return how the place says that an object is packed, such as `gzip`, if it does; it is stored like that."""
        ...


class RemoteStore(Store, Protocol):
    """A store that is no disk of this machine."""

    def put(self, path: str, file: Path) -> None:
        """Copy a file to a path, over what is there: whoever reads it sees the old or the new one.

        Raises:
            EngineError: it was not possible; see `copy_to`.
        """
        ...


def resized(before: int, now: int) -> str:
    """Return how a size in bytes has changed, as `grew from 1,000 to 2,000 bytes`."""
    return f"{'grew' if now > before else 'shrank'} from {before:,} to {now:,} bytes"


def moved(path: str, how: str) -> SourceUntrusted:
    """Return the reason not to trust what was read of a file that did not stay as it was."""
    return SourceUntrusted(
        f"{path} {how} while it was read; when it is complete, run the same command again, with --fresh"
    )


def replaced(path: str) -> SourceUntrusted:
    """Return the reason not to read on of a file that is not the one that was found any more."""
    return SourceUntrusted(
        f"{path} has changed since it was found: it was replaced; when it is complete, run the same command again, "
        "with --fresh"
    )
