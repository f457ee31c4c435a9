"""What a task leaves of its partition: a private, compressed file of blocks, which becomes a source again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import xxhash
import zstandard
from msgspec import Struct, msgpack

from engine.sources import WithoutFiles
from engine.state import write_private_pieces
from engine.values import Block, JoinedLines, LineIds, Refusal, SourceUntrusted, Span, StateFailed, counted

_LEVEL = 1
"""Of zstd: a part is written once and read once."""

_LENGTH_BYTES = 8
_READ_BYTES = 1 << 20


class Part(Struct, frozen=True):
    """The partition that a task has kept: its number in the job, the name of its file, and what must be in that."""

    number: int
    name: str
    stored_bytes: int
    rows: int
    """Its rows, those that are no records and those left out among them."""
    digest: bytes
    """The XXH3-128 of its blocks."""


class _Kept(Struct, array_like=True):
    """A block as it stands in the file."""

    count: int
    lines: bytes
    spans: Sequence[Span]
    refusals: list[Refusal]
    filtered: list[Span]
    notes: list[str]

    @property
    def rows(self) -> int:
        return self.count + len(self.refusals) + sum(span.count for span in self.filtered)


_decode = msgpack.Decoder(_Kept).decode
_encode = msgpack.Encoder().encode


def write_part(blocks: Iterable[Block], path: Path, number: int) -> Part:
    """Write the blocks of a partition into a new private file, which appears at `path` when it is complete.

    Raises:
        StateFailed: it cannot be written.
        EngineError: what reading the blocks raises.
    """
    rows, digest = 0, xxhash.xxh3_128()

    def pieces() -> Iterator[bytes]:
        nonlocal rows
        packing = zstandard.ZstdCompressor(_LEVEL).compressobj()
        for block in blocks:
            kept = _Kept(
                len(block.ids), block.lines, list(block.spans), block.refusals, list(block.filtered), list(block.notes)
            )
            rows += kept.rows
            encoded = _encode(kept)
            digest.update(encoded)
            yield packing.compress(len(encoded).to_bytes(_LENGTH_BYTES, "big"))
            yield packing.compress(encoded)
        yield packing.flush()

    write_private_pieces(path, pieces())
    return Part(number, path.name, path.stat().st_size, rows, digest.digest())


class PartsSource(WithoutFiles):
    """The parts of a job as one source, in the order of their numbers; see `engine.sources.Source`."""

    def __init__(self, directory: Path, parts: Sequence[Part]) -> None:
        self._directory = directory
        self._parts = sorted(parts, key=lambda part: part.number)
        self.label = counted(len(parts), "partition")

    def blocks(self) -> Iterator[Block]:
        """Yield what the tasks have read, partition by partition.

        Raises:
            StateFailed: what a task has kept is not here.
            SourceUntrusted: a part cannot be read, or is not what its task has kept.
        """
        self._check()
        for part in self._parts:
            try:
                with (self._directory / part.name).open("rb") as stored:
                    yield from _blocks_of(part, stored)
            except (OSError, EOFError, ValueError, zstandard.ZstdError) as error:
                raise SourceUntrusted(
                    f"what the task of partition {part.number} has kept cannot be read any more: {type(error).__name__}"
                ) from error

    def _check(self) -> None:
        for part in self._parts:
            try:
                found = (self._directory / part.name).stat().st_size
            except OSError:
                found = -1
            if found != part.stored_bytes:
                what = f"what the task of partition {part.number} has kept is not there"
                advice = "state_dir must be one directory that the driver and all workers share"
                raise StateFailed(f"{self._directory}: {what}: {advice}")


def _blocks_of(part: Part, stored: IO[bytes]) -> Iterator[Block]:
    """Yield the blocks of a part.

    Raises:
        EOFError: there are fewer.
        ValueError: they are damaged.
    """
    rows = 0
    digest = xxhash.xxh3_128()
    with zstandard.ZstdDecompressor().stream_reader(stored) as packed:
        while rows < part.rows:
            encoded = _exactly(packed, int.from_bytes(_exactly(packed, _LENGTH_BYTES), "big"))
            digest.update(encoded)
            kept = _decode(encoded)
            rows += kept.rows
            if rows >= part.rows and digest.digest() != part.digest:
                raise ValueError("these are other blocks than those that were written")
            yield Block(
                ids=LineIds(JoinedLines(kept.lines), kept.count),
                lines=kept.lines,
                spans=kept.spans,
                refusals=kept.refusals,
                filtered=kept.filtered,
                notes=kept.notes,
            )


def _exactly(stream: IO[bytes], count: int) -> bytes:
    pieces = []
    while count:
        piece = stream.read(min(count, _READ_BYTES))  # a damaged length must not ask for all the memory
        if not piece:
            raise EOFError
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)
