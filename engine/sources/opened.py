"""Sources: from files or standard input to blocks of canonical records, one module a format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import BinaryIO, Protocol

from engine.sources.spec import STDIN, SourceSpec
from engine.sources.stored.find import find_files
from engine.sources.stored.inputs import InputFile
from engine.values import Block

READERS = {
    "csv": "engine.sources.csv",
    "tsv": "engine.sources.csv",
    "ndjson": "engine.sources.ndjson",
    "parquet": "engine.sources.parquet",
}
"""What reads a format. It is imported when its first file is met: some bring heavy libraries."""


class Source(Protocol):
    """A whole source, in order."""

    @property
    def label(self) -> str:
        """How messages call it."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files found, or only `-` for standard input."""

    @property
    def total_bytes(self) -> int | None:
        """The sum of the sizes as stored, None if it can't be known."""

    def blocks(self) -> Iterator[Block]:
        """Read the source once, from its start.

        Raises:
            SourceUntrusted: a file is damaged or can't be read; everything good before it was yielded.
            SourceMissing: a file has gone.
        """
        ...


def open_source(
    spec: SourceSpec,
    *,
    block_records: int = 10_000,
    record_bytes_max: int = 8_000_000,
    stdin: BinaryIO | None = None,
) -> Source:
    """Find the inputs that `spec` names, in order; nothing but their first bytes is read yet.

    Args:
        spec: What to read and how to map it.
        block_records: How many records a block has in the regular case, and at most.
        record_bytes_max: A record whose line is longer, in bytes, is refused.
        stdin: What `-` reads, the process's standard input by default.

    Raises:
        ConfigError: the format of an input is not known, or standard input is mixed with files.
        SourceMissing: a path or a glob leads to no file.
        SourceUntrusted: a file can't be read, or its content is not what its name says.
    """
    return _Files(spec, find_files(spec, stdin), block_records, record_bytes_max)


class _Files:
    """The source made of some input files."""

    def __init__(self, spec: SourceSpec, files: Sequence[InputFile], block_records: int, record_bytes_max: int) -> None:
        self.label = _label(spec, files)
        self.paths = tuple(file.path for file in files)
        sizes = [file.size for file in files if file.size is not None]
        self.total_bytes = sum(sizes) if len(sizes) == len(files) else None
        self._spec = spec
        self._files = files
        self._block_records = block_records
        self._record_bytes_max = record_bytes_max

    def blocks(self) -> Iterator[Block]:
        for file in self._files:
            reader = import_module(READERS[file.format])
            yield from reader.read_blocks(
                file, self._spec, block_records=self._block_records, record_bytes_max=self._record_bytes_max
            )


def _label(spec: SourceSpec, files: Sequence[InputFile]) -> str:
    if spec.paths == (STDIN,):
        return "standard input"
    written = ", ".join(spec.paths)
    return written if len(files) == 1 else f"{written} ({len(files)} files)"
