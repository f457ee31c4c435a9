"""One input of a source as a stream of decompressed bytes, whatever it is stored as."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from engine.sources.formats import FORMATS, Format
from engine.sources.spec import STDIN
from engine.sources.stored.compression import (
    COMPRESSIONS,
    ByteReader,
    Compression,
    DamagedData,
    UnreadableData,
    compression_of,
)
from engine.sources.stored.file_pass import FilePass
from engine.sources.stored.kinds import HEAD_BYTES, refuse_other_kinds
from engine.sources.stored.store import StoredStream
from engine.sources.stored.stored_bytes import StoredBytes
from engine.sources.stored.transcoding import Marked, Transcoded
from engine.values import SourceUntrusted


class InputFile(Struct, frozen=True):
    """One file of a source, or standard input (`path` is `-`).

    `size` is in bytes as stored, None for standard input, whose compression shows only when it is read. `encoding` is
    that of its text if it is set; else it is UTF-8, or what a byte order mark proves. `modified_at` is in seconds since
    the epoch. `seen_by` sees what is read of it.
    """

    path: str
    format: Format
    compression: Compression | None
    size: int | None
    open_stored: Callable[[], StoredStream]
    """Opens it as it is stored, and at random places if it is a file; raises what `Store.open` does."""
    keys: Mapping[str, str | None] = field(default_factory=dict)
    """What the names of its directories say of all its rows, such as `state=KA`: a column of text each."""
    encoding: str | None = None
    modified_at: float | None = None
    verify: Callable[[StoredStream | None], None] | None = None
    """Raises SourceUntrusted if it, or the stream that was opened, is not any more what was found; None: can't know."""
    seen_by: FilePass | None = None
    content_tag: str | None = None
    """What proves its content without reading it; see `StoredObject`."""

    def digest(self, file_pass: FilePass) -> str:
        """Return what tells its content from any other: what its place says, else the hash of a pass over all of it."""
        return file_pass.digest() if self.content_tag is None else f"tag {self.content_tag}"

    @property
    def is_stdin(self) -> bool:
        """Whether it can be read only once, and may keep its reader waiting."""
        return self.path == STDIN

    @property
    def name(self) -> str:
        """How messages call it."""
        return "standard input" if self.is_stdin else self.path

    def open_whole(self) -> StoredBytes:
        """Open the file as it is stored, to be read from its first to its last byte; the caller closes it.

        Raises:
            SourceMissing: it is gone.
            SourceUntrusted: it can't be read.
        """
        return StoredBytes(
            self.name,
            self.open_stored(),
            size=self.size,
            verify=self.verify,
            stays_open=self.is_stdin,
            seen_by=self.seen_by,
        )

    def open(self) -> InputStream:
        """Open the file and return its decompressed contents; the caller closes the stream.

        Raises:
            SourceMissing: it is gone.
            SourceUntrusted: it can't be read.
        """
        stored = self.open_whole()
        compression = self.compression
        if self.is_stdin:
            head = stored.peek()
            refuse_other_kinds(self.name, head)
            compression = compression_of(head)
        reader: ByteReader = _Unpacked(self.name, stored, compression) if compression else stored
        marked = Marked(reader) if self.encoding is None and FORMATS[self.format].is_text else None
        if self.encoding not in (None, "utf-8"):
            reader = Transcoded(reader, self.encoding)
        return InputStream(stored, marked or reader, self.seen_by, marked)


class _Unpacked:
    """The contents of a compressed file, unless they are no text either."""

    def __init__(self, name: str, stored: StoredBytes, compression: Compression) -> None:
        self._name = name
        self._compression = compression
        self._contents = COMPRESSIONS[compression].decompress(stored)
        self._begun = False

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        data = self._contents.read(size)
        if not self._begun:
            self._begun = True
            self._look_at(data[:HEAD_BYTES])
        return data

    def _look_at(self, head: bytes) -> None:
        inside = compression_of(head)
        if inside:
            raise SourceUntrusted(f"{self._name} is {inside} inside {self._compression}; unpack it once")
        refuse_other_kinds(f"what is inside {self._name}", head)


class InputStream(io.BufferedIOBase):
    """The decompressed bytes of one input.

    Everything before a damaged spot is returned first: a `read` that meets damage returns what it has, and only the
    next one raises. So, as everywhere, nothing but an empty result means the end.
    """

    def __init__(
        self, stored: StoredBytes, reader: ByteReader, seen_by: FilePass | None = None, marked: Marked | None = None
    ) -> None:
        self._stored = stored
        self._marked = marked
        self._reader = reader
        self._seen_by = seen_by
        self._damage: SourceUntrusted | None = None

    @property
    def stored_bytes(self) -> int:
        """How many bytes, as stored, have been taken from the file so far."""
        return self._stored.position

    @property
    def marked_encoding(self) -> str | None:
        """The encoding that its byte order mark proves, once something was read; None if it is UTF-8 or set."""
        return self._marked.encoding if self._marked else None

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return `size` bytes, fewer before the end or a damaged spot, none at the end; -1 means all there are.

        Raises:
            SourceUntrusted: the file is damaged here or can't be read; the message names it.
        """
        if self._damage:
            raise self._damage
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        parts: list[bytes] = []
        while size > 0:
            try:
                part = self._reader.read(size)
            except (DamagedData, UnreadableData, SourceUntrusted) as error:
                self._damage = self._as_untrusted(error)
                if not parts:
                    raise self._damage from None
                break
            if not part:
                break
            parts.append(part)
            size -= len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if self._seen_by is not None:
            self._seen_by.see_text(data)
        return data

    def read1(self, size: int = -1, /) -> bytes:
        """Return some bytes, at most `size`, none at the end."""
        return self.read(size if size >= 0 else io.DEFAULT_BUFFER_SIZE)

    def close(self) -> None:
        """Close the file, but leave standard input open."""
        self._stored.close()
        super().close()

    def _as_untrusted(self, error: DamagedData | UnreadableData | SourceUntrusted) -> SourceUntrusted:
        if isinstance(error, SourceUntrusted):
            return error
        damaged = "is damaged: " if isinstance(error, DamagedData) else ""
        return SourceUntrusted(f"{self._stored.name} {damaged}{error}")
