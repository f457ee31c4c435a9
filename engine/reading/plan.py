"""From a source to chunks: what is read, and where it is cut. In this process, or in a second one (`process.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.reading.chunker import Chunker
from engine.reading.limit import first_records
from engine.sources import Source, SourceSpec, StoredObject, list_files, open_source
from engine.values import Chunk


@dataclass(frozen=True, slots=True)
class Cutting:
    """Where chunks are cut: after so many records or bytes of lines; `limit` of all records are taken, the first ones.

    The ids of each chunk are compared with those of `concurrency` chunks before it at least.
    """

    batch_size: int
    lines_bytes_max: int
    concurrency: int = 8
    limit: int | None = None

    def cut(self, source: Source) -> Iterator[Chunk]:
        """Read `source` once and yield its chunks.

        Raises:
            EngineError: what reading the source raises.
        """
        chunker = Chunker(
            batch_size=self.batch_size, lines_bytes_max=self.lines_bytes_max, concurrency=self.concurrency
        )
        return chunker.cut(first_records(source.blocks(), self.limit))


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a source, as plain values: every pass with the same values yields the same chunks."""

    spec: SourceSpec
    cutting: Cutting
    record_bytes_max: int
    """A record whose line is longer is refused."""
    files: tuple[StoredObject, ...] | None = None
    """The files that were found; None as long as nobody has looked for them."""

    def with_files(self) -> Reading:
        """Return this pass with its files found: whichever process opens it reads these, as they are now.

        Raises:
            EngineError: as `list_files` does.
        """
        return replace(self, files=list_files(self.spec))

    def open(self) -> Source:
        """Open the files, and find them if nobody has.

        Raises:
            EngineError: as `open_source` does.
        """
        return open_source(
            self.spec,
            batch_size=self.cutting.batch_size,
            record_bytes_max=self.record_bytes_max,
            files=self.files,
        )
