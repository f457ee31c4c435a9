"""A place that has files: what is asked of a disk, an object store or a server, and nothing else.

Every implementation passes one suite, `tests/sources/stored/test_store_contract.py`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

StoredStream: TypeAlias = io.RawIOBase | io.BufferedIOBase
"""Bytes as they are stored. `read` and `readinto` return none only at the end, but fewer than asked for anywhere."""


class StoredObject(NamedTuple):
    """A file as it was when it was listed.

    `path` is how the user, messages and journals call it. `size` is in bytes. `version` differs from that of every
    other content the object had or will have, as far as the place can tell. `identity` is the same for the same object
    found by another path.
    """

    path: str
    size: int
    version: str
    identity: str


class Store(Protocol):
    """A place that has files. Its methods may block; they are called in threads."""

    def list(self, pattern: str) -> Sequence[StoredObject]:
        """Return the object at a path, or those that match a glob (`*`, `?`, `[…]`, `**`), sorted by their paths.

        What exists under the very text of `pattern` is meant literally. Directories are not objects, so a glob passes
        over them.

        Raises:
            SourceMissing: there is none, or a directory is named.
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
