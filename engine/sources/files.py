"""The source made of files: found in a store, each read by the module of its format, cut into even blocks.

A record's way: a store opens the file (`stored/store.py`), its bytes are decompressed (`stored/inputs.py`), the
format's `read_rows` makes records of them, some hundreds or thousands at a time, and these become blocks
(`even_blocks.py`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from typing import Protocol, cast

from engine.sources.even_blocks import Rows, even_blocks
from engine.sources.formats import DELIMITED, FORMATS
from engine.sources.ndjson.named_keys import once_keys_are_met
from engine.sources.protocol import Source
from engine.sources.spec import STDIN, SourceSpec
from engine.sources.stored.find import find_files
from engine.sources.stored.fingerprint import FileFingerprint, fingerprint
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.store import StoredStream
from engine.values import Block


def open_source(
    spec: SourceSpec,
    *,
    batch_size: int = 10_000,
    record_bytes_max: int = 8_000_000,
    stdin: StoredStream | None = None,
) -> Source:
    """Find the inputs that `spec` names, in order; nothing but their first bytes is read yet.

    Args:
        spec: What to read and how to map it.
        batch_size: How many records a block has in the regular case, and at most.
        record_bytes_max: A record whose line is longer, in bytes, is refused.
        stdin: What `-` reads, the process's standard input by default.

    Raises:
        ConfigError: the format of an input is not known, or standard input is mixed with files.
        SourceMissing: a path or a glob leads to no file.
        SourceUntrusted: a file can't be read, or its content is not what its name says.
    """
    return FilesSource(spec, find_files(spec, stdin), batch_size, record_bytes_max)


class FilesSource:
    """The source made of some input files."""

    def __init__(self, spec: SourceSpec, files: Sequence[InputFile], batch_size: int, record_bytes_max: int) -> None:
        self.label = _label(spec, files)
        self.paths = tuple(file.path for file in files)
        self._spec = spec
        self._files = files
        self._batch_size = batch_size
        self._record_bytes_max = record_bytes_max

    def size(self) -> int | None:
        """Return the sum of the files' sizes; None for standard input."""
        sizes = [file.size for file in self._files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self._files) else None

    def fingerprint(self) -> dict[str, FileFingerprint]:
        """Read and hash the files, as stored; see `Source`."""
        return fingerprint(self._files)

    def blocks(self) -> Iterator[Block]:
        """Yield the records of one file after the other; see `Source`. No block holds records of two files."""
        seen: set[str] = set()
        if any(FORMATS[file.format].keys_vary for file in self._files) and self._spec.id is not None:
            return once_keys_are_met(self._blocks(seen), self._spec, seen, self.label)
        return self._blocks(seen)

    def _blocks(self, seen: set[str]) -> Iterator[Block]:
        for file in self._files:
            reader = cast(FormatReader, import_module(FORMATS[file.format].reader))
            with closing(reader.read_rows(file, self._spec, self._record_bytes_max, seen)) as rows:
                yield from even_blocks(rows, self._batch_size)


def text_facts(spec: SourceSpec) -> list[str]:
    """Return how the CSV and TSV files that `spec` names are written: one sentence if all are alike, else more.

    Only their heads are read. Standard input is left alone: what was read of it would be missing later.

    Raises:
        EngineError: what reading the files raises when they are first looked at.
    """
    facts: dict[str, str] = {}
    for file in find_files(spec):
        if file.format in DELIMITED and not file.is_stdin:
            from engine.sources.csv.reader import dialect_of  # Arrow comes with it

            facts.setdefault(dialect_of(file, spec).words(), file.name)
    return list(facts) if len(facts) == 1 else [f"{name}: {fact}" for fact, name in facts.items()]


class FormatReader(Protocol):
    """The module of a format."""

    def read_rows(
        self, file: InputFile, spec: SourceSpec, record_bytes_max: int, seen: set[str]
    ) -> Generator[tuple[Rows, int]]:
        """Yield the rows of a file, some at a time, and how many of its bytes, as stored, were read for them so far.

        What is no record becomes a refusal, and so does a record whose line is longer than `record_bytes_max`. Where
        each record has keys of its own, they are put into `seen`.

        Raises:
            ConfigError: the mapping does not fit the columns.
            SourceMissing: the file has gone, or has not even a header.
            SourceUntrusted: the file can't be read or is damaged; everything good before was yielded.
        """
        ...


def _label(spec: SourceSpec, files: Sequence[InputFile]) -> str:
    if spec.paths == (STDIN,):
        return "standard input"
    written = ", ".join(spec.paths)
    return written if len(files) == 1 else f"{written} ({len(files)} files)"
