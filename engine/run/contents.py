"""What the files of a source hold, as far as a run knows: their sizes at once, their digests as they have been read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from engine.sources import FileFingerprint, fingerprint, other_content
from engine.values import Chunk, SourceUntrusted


class Contents:
    """Fills while the chunks of the run are read.

    Args:
        sizes: the bytes of each file, as stored, by its path.
        known: what is known of them already, by earlier processes of the run and by a first look; nothing differs.
    """

    def __init__(self, sizes: Mapping[str, int], *known: Mapping[str, Sequence[Any]]) -> None:
        self._sizes = sizes
        self._read: dict[str, str] = {}
        self._digests: dict[str, str] = {path: digest for some in known for path, (_, digest) in some.items() if digest}

    def reading(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Pass chunks on, and take note of the files that were read to their ends; runs in the producer's thread.

        Raises:
            SourceUntrusted: a file does not hold what it held in an earlier process.
        """
        for chunk in chunks:
            self._read |= chunk.digests
            for path, digest in chunk.digests.items():
                if self._digests.setdefault(path, digest) != digest:
                    raise SourceUntrusted(
                        f"the source has changed since this run began: {other_content(path)}; restore it and "
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
        known = [self._read.get(path, "") for path, size in self._sizes.items() if size]
        return blake2b(",".join(known).encode(), digest_size=16).hexdigest() if known and all(known) else None
