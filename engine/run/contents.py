"""What the files of a source hold, as far as a run knows: their sizes at once, their digests as they have been read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from engine.sources import FileFingerprint, Source, fingerprint, other_content
from engine.values import Chunk, EngineError, SourceUntrusted


class Contents:
    """Fills while the chunks of the run are read.

    Args:
        sizes: the bytes of each file, as stored, by its path.
        before: what earlier processes of the run have found; of the same sizes.
    """

    def __init__(self, sizes: Mapping[str, int], before: Mapping[str, Sequence[Any]]) -> None:
        self._sizes = sizes
        self._digests: dict[str, str] = {path: digest for path, (_, digest) in before.items() if digest}

    def reading(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Pass chunks on, and take note of the files that were read to their ends; runs in the producer's thread.

        Raises:
            SourceUntrusted: a file does not hold what it held in an earlier process.
        """
        for chunk in chunks:
            for path, digest in chunk.digests.items():
                if self._digests.setdefault(path, digest) != digest:
                    raise SourceUntrusted(
                        f"the source has changed since this run was interrupted: {other_content(path)}; restore it and "
                        "run the same command again, or start over with --fresh"
                    )
            yield chunk

    def fingerprint(self) -> dict[str, FileFingerprint]:
        """Return what a process that resumes the run will compare its source with."""
        return fingerprint(self._sizes, self._digests)

    def identity(self) -> str | None:
        """Return what is the same for the same bytes in the same files, whatever they are called.

        None if it is not known, because not all was read, or there is nothing.
        """
        known = [self._digests.get(path, "") for path, size in self._sizes.items() if size]
        return blake2b(",".join(known).encode(), digest_size=16).hexdigest() if known and all(known) else None


def digests_of(source: Source) -> dict[str, str]:
    """Read a source, and return the digests of its files, as far as they can be read; runs in a thread."""
    digests: dict[str, str] = {}
    with suppress(EngineError):  # whatever it is, the run meets it again, and says so
        for block in source.blocks():
            digests |= block.digests
    return digests
