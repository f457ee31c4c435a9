"""What every source answers, wherever its records come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

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

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file, as stored, by its path; empty for what can't be read twice."""
        ...

    def digests(self) -> dict[str, str]:
        """Hash each file, by its path, without reading its records; empty for what can't be read twice.

        Raises:
            SourceUntrusted: a file can't be read, or is not the one that was found any more.
            SourceMissing: a file has gone.
        """
        ...

    def modified_at(self) -> float | None:
        """Return when the newest of its files was changed last, in seconds since the epoch; None without files."""

    def blocks(self) -> Iterator[Block]:
        """Read it once, from its start.

        The `source_bytes` of all blocks add up to `size()`, but for what no record or refusal follows in its file. The
        `digests` of all blocks are those of all files in `sizes()`: the same if and only if the content is the same.
        An interrupted run keeps them, and goes on only where they are still the same.

        Raises:
            SourceUntrusted: a file is damaged, can't be read, or is not the one that was found any more; everything
                good before it was yielded. Or the mapping does not fit a file, or one has gone, but records were
                yielded before.
            SourceMissing: a file has gone.
            ConfigError: the mapping does not fit the columns.
        """
        ...


class WithoutFiles:
    """What a source says of files if its records are in none that anybody could look at: handed over, or gathered."""

    paths: tuple[str, ...] = ()

    def size(self) -> None:
        """Return None: it is not known before all of it was read."""

    def sizes(self) -> dict[str, int]:
        """Return nothing: there is nothing that could be read twice."""
        return {}

    def digests(self) -> dict[str, str]:
        """Return nothing, as `sizes` does."""
        return {}

    def modified_at(self) -> None:
        """Return None: the records are as old as the call, or the job."""
