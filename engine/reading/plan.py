"""From a source to chunks: what is read, and where it is cut. In this process, or in a second one (`process.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from engine.reading.chunkers import Cut
from engine.reading.comparing import Comparing, Presence
from engine.reading.limit import first_records
from engine.reading.routing import Routing
from engine.sources import Source, SourceSpec, StoredObject, list_files, open_source
from engine.values import Chunk


class Cutting(Struct, frozen=True):
    """Where chunks are cut: after so many records or bytes of lines; `limit` of all records are taken, the first ones.

    The ids of each chunk are compared with those of `concurrency` chunks before it at least.
    """

    batch_size: int
    lines_bytes_max: int
    concurrency: int = 8
    limit: int | None = None
    routing: Routing | None = None
    """Which record is for which campaign; None where there is only one."""

    def cut(self, source: Source) -> Iterator[Chunk]:
        """Read `source` once and yield its chunks.

        Raises:
            EngineError: what reading the source raises.
        """
        return PassHere(self, source).chunks()


class Pass(Protocol):
    """A source, to be read once from its start."""

    @property
    def presence(self) -> Presence | None:
        """Whose records there were, once all was read and compared."""

    def chunks(self, comparing: Comparing | None = None) -> Iterator[Chunk]:
        """Yield the chunks; of what has changed, if it is compared with a ledger.

        Raises:
            EngineError: what reading the source raises.
        """
        ...


class PassHere:
    """A pass over a source in this process."""

    def __init__(self, cutting: Cutting, source: Source) -> None:
        self._cutting = cutting
        self._source = source
        self.presence: Presence | None = None

    def chunks(self, comparing: Comparing | None = None) -> Iterator[Chunk]:
        """See `Pass`."""
        cutting = self._cutting
        blocks = first_records(self._source.blocks(), cutting.limit)
        limits = {"lines_bytes_max": cutting.lines_bytes_max, "concurrency": cutting.concurrency}
        cut = Cut(cutting.routing, comparing, batch_size=cutting.batch_size, limits=limits)
        yield from cut.chunks(blocks)
        self.presence = cut.presence


class Reading(Struct, frozen=True):
    """One pass over a source, as plain values: every pass with the same values yields the same chunks."""

    spec: SourceSpec
    cutting: Cutting
    record_bytes_max: int
    """A record whose line is longer is refused."""
    files: tuple[StoredObject, ...] | None = None
    """The files that were found; None as long as nobody has looked for them."""
    comparing: Comparing | None = None
    """What it is compared with."""

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
