"""What every source answers, wherever its records come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from engine.sources.stored.fingerprint import FileFingerprint
from engine.values import Block


class Source(Protocol):
    """A whole source, in order. Every one passes the suite of `tests/sources/test_source_contract.py`."""

    @property
    def label(self) -> str:
        """How messages call it; holds neither data nor secrets."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files found, only `-` for standard input, nothing where there are no files."""

    def size(self) -> int | None:
        """Return the bytes of all of it, as stored; None if that can't be known before it is read."""

    def fingerprint(self) -> dict[str, FileFingerprint]:
        """Read all of it and return what it holds, by path: the same if and only if the content is the same.

        An interrupted run keeps this, and goes on only where it is still the same. Empty for what can't be read twice.

        Raises:
            SourceUntrusted: a file can't be read, or is not the one that was found any more.
            SourceMissing: a file has gone.
        """
        ...

    def blocks(self) -> Iterator[Block]:
        """Read it once, from its start.

        The `source_bytes` of all blocks add up to `size()`, but for what no record or refusal follows in its file.

        Raises:
            SourceUntrusted: a file is damaged, can't be read, or is not the one that was found any more; everything
                good before it was yielded.
            SourceMissing: a file has gone.
            ConfigError: the mapping does not fit the columns.
        """
        ...
