"""The source made of files: found in a store, each read by the module of its format, cut into even blocks.

A record's way: a store opens the file (`stored/store.py`), its bytes are counted and hashed (`stored/stored_bytes.py`),
decompressed and brought to UTF-8 (`stored/inputs.py`), the format's `read_rows` makes records of them, some hundreds or
thousands at a time, and these become blocks (`even_blocks.py`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from importlib import import_module
from typing import Protocol, cast

from msgspec.structs import replace

from engine.sources.even_blocks import NoRows, Rows, even_blocks
from engine.sources.formats import DELIMITED, FORMATS, Format
from engine.sources.json_text import BOM
from engine.sources.ndjson.named_keys import once_keys_are_met
from engine.sources.protocol import Source
from engine.sources.spec import STDIN, SourceSpec
from engine.sources.stored.file_pass import FilePass
from engine.sources.stored.find import find_files, find_objects, store_of
from engine.sources.stored.inputs import InputFile
from engine.sources.stored.lookahead import at_once, opened_ahead
from engine.sources.stored.names import kind_by_name
from engine.sources.stored.store import StoredObject, StoredStream
from engine.sources.stored.stored_bytes import StoredBytes
from engine.values import Block, ConfigError, SourceMissing, SourceUntrusted, arrow_alone, last_place

_SLICE_BYTES = 1 << 18
"""How much is hashed at once."""

_LOOK_BYTES = 1 << 12
"""How much is read at once to see whether there is anything."""


def list_files(spec: SourceSpec) -> tuple[StoredObject, ...]:
    """Find the files that `spec` names, in order; none for standard input.

    Raises:
        SourceMissing: a path or a glob leads to no file, or the marker is missing that says that all are complete.
        SourceUntrusted: a file can't be read.
    """
    if spec.done_marker is not None:
        _check_marker(spec.done_marker, spec)
    return tuple(find_objects(spec))


def open_source(
    spec: SourceSpec,
    *,
    batch_size: int = 10_000,
    record_bytes_max: int = 8_000_000,
    stdin: StoredStream | None = None,
    files: Sequence[StoredObject] | None = None,
) -> Source:
    """Open the inputs that `spec` names, in order; nothing but their first bytes is read yet.

    Args:
        spec: What to read and how to map it.
        batch_size: How many records a block has in the regular case, and at most.
        record_bytes_max: A record whose line is longer, in bytes, is refused.
        stdin: What `-` reads, the process's standard input by default.
        files: What `list_files` has found; by default, it is asked.

    Raises:
        ConfigError: the format of an input is not known, or standard input is mixed with files.
        SourceMissing: a path or a glob leads to no file, or the marker is missing that says that all are complete.
        SourceUntrusted: a file can't be read, has changed since it was found, or is not what its name says.
    """
    found = list_files(spec) if files is None else files
    return FilesSource(spec, find_files(spec, stdin, found), batch_size, record_bytes_max)


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
        return sum(self.sizes().values()) if len(self.sizes()) == len(self._files) else None

    def sizes(self) -> dict[str, int]:
        """Return the size of each file; nothing for standard input."""
        return {file.path: file.size for file in self._files if file.size is not None}

    def digests(self) -> dict[str, str]:
        """Hash the files as they are stored, unless their place tells one content from another; see `Source`."""
        digests: dict[str, str] = {}
        for file in self._files:
            if file.size is not None:
                file_pass = FilePass()
                if file.content_tag is None:
                    with closing(replace(file, seen_by=file_pass).open_whole()) as whole:
                        _pass_over(whole, None)
                digests[file.path] = file.digest(file_pass)
        return digests

    def modified_at(self) -> float | None:
        """Return when the newest file was changed last; None for standard input."""
        return max((file.modified_at for file in self._files if file.modified_at is not None), default=None)

    def blocks(self) -> Iterator[Block]:
        """Yield the records of one file after the other; see `Source`. No block holds records of two files."""
        begun = False
        try:
            with closing(self._checked_blocks()) as blocks:
                for block in blocks:
                    yield block
                    begun = begun or bool(block.ids)
        except (ConfigError, SourceMissing) as error:
            if begun:  # their exit codes promise that nothing was sent
                raise SourceUntrusted(str(error)) from None
            raise

    def _checked_blocks(self) -> Generator[Block]:
        seen: set[str] = set()
        if any(FORMATS[file.format].keys_vary for file in self._files) and self._spec.id is not None:
            yield from once_keys_are_met(self._blocks(seen), self._spec, seen, self.label)
        else:
            yield from self._blocks(seen)

    def _blocks(self, seen: set[str]) -> Iterator[Block]:
        files, empty = self._look_at_files()
        if empty is not None:
            yield empty
        with closing(opened_ahead(files)) as opened:
            for file in opened:
                yield from self._blocks_of(file, seen)
        # An early one may have changed while the others were read.
        at_once(lambda file: file.path, self._files, _verify)

    def _look_at_files(self) -> tuple[list[InputFile], Block | None]:
        """Look at the beginning of each file, if there are several, before any of them is read.

        Returns:
            The files that hold something, or the first one if none does; and what is to be said about the others.

        Raises:
            EngineError: one of them can't be read, or the mapping does not fit it.
        """
        if len(self._files) == 1:
            return list(self._files), None  # what is wrong with it shows at once
        empty = Block([], b"", [])
        digests = at_once(lambda file: file.path, self._files, self._look_at)
        for file, digest in zip(self._files, digests, strict=True):
            if digest is not None:
                empty.notes.append(_is_empty(file))
                empty.digests[file.path] = digest
        filled = [file for file in self._files if file.path not in empty.digests]
        return filled or list(self._files[:1]), empty if filled and empty.notes else None

    def _look_at(self, file: InputFile) -> str | None:
        """Return the digest of a file that holds nothing; look at the beginning of any other, and return None."""
        digest = _digest_of_nothing(file)
        if digest is None:
            _reader_of(file.format).look(file, self._spec)
        return digest

    def _blocks_of(self, file: InputFile, seen: set[str]) -> Iterator[Block]:
        """Yield the records of one file; with the block that takes its last bytes comes the digest of all of them."""
        file_pass = FilePass()
        left = file.size
        with closing(self._rows_of(replace(file, seen_by=file_pass), seen, file_pass)) as rows:
            for block in even_blocks(rows, self._batch_size):
                if left:
                    left -= block.source_bytes
                    if not left:
                        block.digests[file.path] = file.digest(file_pass)
                yield block

    def _rows_of(self, file: InputFile, seen: set[str], file_pass: FilePass) -> Generator[tuple[Rows, int]]:
        """Yield the rows of a file as its reader does, and in the end what is odd about it as a whole."""
        last_row = read_bytes = 0
        holds_rows = False
        with ExitStack() as open_:
            # Parquet is read here and there: its bytes are hashed beside, while they are at hand.
            hashed_beside = not FORMATS[file.format].is_text and file.content_tag is None
            whole = open_.enter_context(closing(file.open_whole())) if hashed_beside else None
            read_rows = _reader_of(file.format).read_rows
            rows = open_.enter_context(closing(read_rows(file, self._spec, self._record_bytes_max, seen)))
            for some, read_bytes in rows:
                if whole:
                    _pass_over(whole, read_bytes)
                last_row = max(last_row, _last_row(some))
                holds_rows = holds_rows or bool(last_row or some.filtered)
                yield some, read_bytes
            if whole:
                _pass_over(whole, None)
        notes = [] if holds_rows or len(self._files) == 1 else [_is_empty(file)]
        if holds_rows and file_pass.last_line_is_open:
            where = f" (row {last_row})" if last_row else ""
            notes.append(f"{file.name}: its last line has no end, though all others have one; was it cut?{where}")
        if notes:
            yield NoRows(notes), file.size or read_bytes


def text_facts(spec: SourceSpec) -> list[str]:
    """Return how the text of the files that `spec` names is written: one sentence if all are alike, else more.

    For NDJSON there is something to say only if a byte order mark tells its encoding.

    Only their heads are read. Standard input is left alone: what was read of it would be missing later.

    Raises:
        EngineError: what reading the files raises when they are first looked at.
    """
    facts: dict[str, str] = {}
    for file in find_files(spec):
        if FORMATS[file.format].is_text and not file.is_stdin and (fact := _text_fact(file, spec)):
            facts.setdefault(fact, file.name)
    return list(facts) if len(facts) == 1 else [f"{name}: {fact}" for fact, name in facts.items()]


def _text_fact(file: InputFile, spec: SourceSpec) -> str:
    words = []
    if file.format in DELIMITED:
        from engine.sources.csv.reader import dialect_of  # Arrow comes with it

        words.append(dialect_of(file, spec).words())
    with file.open() as stream:
        stream.read(_LOOK_BYTES)
        if stream.marked_encoding:
            words.append(f"in {stream.marked_encoding.upper()}, as its byte order mark says")
    return ", ".join(words)


class FormatReader(Protocol):
    """The module of a format."""

    def look(self, file: InputFile, spec: SourceSpec) -> None:
        """Make sure that a file that is not empty can be read as this format, as far as its beginning tells.

        Raises:
            ConfigError: the mapping does not fit the columns.
            SourceMissing: the file has gone.
            SourceUntrusted: the file can't be read or is damaged.
        """
        ...

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


def _verify(file: InputFile) -> None:
    if file.verify is not None:
        file.verify(None)


def get_ready(path: str) -> None:
    """Import what reads files that are called so, as far as the name tells: some bring heavy libraries."""
    format_ = kind_by_name(path).format
    if format_ is not None:
        _reader_of(format_)


def _reader_of(format_: Format) -> FormatReader:
    with arrow_alone():
        return cast(FormatReader, import_module(FORMATS[format_].reader))


def _check_marker(path: str, spec: SourceSpec) -> None:
    try:
        store_of(path, spec.access).list(path)
    except SourceMissing:
        raise SourceMissing(
            f"{path} (source.done_marker) does not exist: the source is not complete yet; run the same command again "
            "when it is there"
        ) from None


def _digest_of_nothing(file: InputFile) -> str | None:
    """Return the digest of a file that has no bytes or is text of nothing but line ends; None of any other."""
    file_pass = FilePass()
    if file.size and not FORMATS[file.format].is_text:
        return None
    with replace(file, seen_by=file_pass).open() as stream:
        part = stream.read(_LOOK_BYTES).removeprefix(BOM)
        while part and not part.strip():
            part = stream.read(_LOOK_BYTES)
    return None if part else file.digest(file_pass)


def _pass_over(stored: StoredBytes, position: int | None) -> None:
    """Read up to a position, or to the end."""
    while position is None or stored.position < position:
        if not stored.read(_SLICE_BYTES if position is None else min(_SLICE_BYTES, position - stored.position)):
            return


def _last_row(rows: Rows) -> int:
    """Return the number of the last row that became a record or a refusal; 0 if there is none."""
    refused = max((refusal.place.row for refusal in rows.refusals), default=0)
    return max(refused, last_place(rows.spans).row if rows.spans else 0)


def _is_empty(file: InputFile) -> str:
    return f"{file.name} is empty: it holds no record"


def _label(spec: SourceSpec, files: Sequence[InputFile]) -> str:
    if spec.paths == (STDIN,):
        return "standard input"
    written = ", ".join(spec.paths)
    return written if len(files) == 1 else f"{written} ({len(files)} files)"
