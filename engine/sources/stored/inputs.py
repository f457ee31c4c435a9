"""One input of a source as a stream of decompressed bytes, whatever it is stored as."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from engine.sources.formats import Format
from engine.sources.spec import STDIN
from engine.sources.stored.compression import COMPRESSIONS, ByteReader, Compression, DamagedData, compression_of
from engine.sources.stored.store import StoredStream
from engine.values import SourceUntrusted

HEAD_BYTES = 8
"""How many first bytes tell what a file is."""

_NOT_TEXT = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"SQLite f": "an SQLite database",
}
"""First bytes of files that are often taken for text, and what they are."""


@dataclass(slots=True)
class InputFile:
    """One file of a source, or standard input (`path` is `-`).

    `size` is in bytes as stored, None for standard input. The compression of standard input shows when it is opened;
    until then `compression` is None.
    """

    path: str
    format: Format
    compression: Compression | None
    size: int | None
    open_stored: Callable[[], StoredStream]
    """Opens it as it is stored, and at random places if it is a file; raises what `Store.open` does."""
    _stored: _StoredBytes | None = field(default=None, init=False, repr=False)

    @property
    def is_stdin(self) -> bool:
        """Whether it can be read only once, and may keep its reader waiting."""
        return self.path == STDIN

    @property
    def name(self) -> str:
        """How messages call it."""
        return "standard input" if self.is_stdin else self.path

    def head(self) -> bytes:
        """Return the first bytes of a file, as stored.

        Raises:
            SourceMissing: it is gone.
            SourceUntrusted: it can't be read.
        """
        with closing(_StoredBytes(self.name, self.open_stored())) as stored:
            return stored.peek(HEAD_BYTES)

    def open(self) -> InputStream:
        """Open the file and return its decompressed contents; the caller closes the stream.

        Raises:
            SourceMissing: it is gone.
            SourceUntrusted: it can't be read.
        """
        self._stored = _StoredBytes(self.name, self.open_stored())
        if self.is_stdin:
            head = self._stored.peek(HEAD_BYTES)
            refuse_binary(self.name, head)
            self.compression = compression_of(head)
        reader: ByteReader = self._stored
        if self.compression:
            reader = COMPRESSIONS[self.compression].decompress(self._stored)
        return InputStream(self.name, reader, None if self.is_stdin else self._stored.close)

    def stored_bytes_read(self) -> int:
        """Return how many bytes, as stored, the last opened stream has taken from the file so far."""
        return self._stored.position if self._stored else 0


class InputStream(io.BufferedIOBase):
    """The decompressed bytes of one input.

    Everything before a damaged spot is returned first: a `read` that meets damage returns what it has, and only the
    next one raises. So, as everywhere, nothing but an empty result means the end.
    """

    def __init__(self, name: str, reader: ByteReader, close: Callable[[], None] | None) -> None:
        self._name = name
        self._reader = reader
        self._close = close
        self._damage: SourceUntrusted | None = None

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
            except (DamagedData, SourceUntrusted) as error:
                self._damage = self._as_untrusted(error)
                if not parts:
                    raise self._damage from None
                break
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Return some bytes, at most `size`, none at the end."""
        return self.read(size if size >= 0 else io.DEFAULT_BUFFER_SIZE)

    def close(self) -> None:
        """Close the file, but leave standard input open."""
        if self._close and not self.closed:
            self._close()
        super().close()

    def _as_untrusted(self, error: DamagedData | SourceUntrusted) -> SourceUntrusted:
        if isinstance(error, SourceUntrusted):
            return error
        return SourceUntrusted(f"{self._name} is damaged: {error}")


class _StoredBytes:
    """Counts the bytes taken from a file or from standard input, and says clearly when that fails."""

    def __init__(self, name: str, file: StoredStream) -> None:
        self.position = 0
        self._name = name
        self._file = file
        self._peeked = b""

    def read(self, size: int, /) -> bytes:
        if self._peeked:
            data, self._peeked = self._peeked[:size], self._peeked[size:]
            self.position += len(data)
            return data
        try:
            data = self._file.read(size)
        except OSError as error:
            raise SourceUntrusted(f"{self._name} cannot be read: {error.strerror}") from None
        if data is None:
            raise SourceUntrusted(f"{self._name} is in non-blocking mode; nothing more can be read from it safely")
        self.position += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return the first `size` bytes (fewer if there are no more) and leave them to be read."""
        head = b""
        while len(head) < size and (data := self.read(size - len(head))):
            head += data
        self._peeked = head
        self.position = 0
        return head

    def close(self) -> None:
        self._file.close()


def refuse_binary(name: str, head: bytes) -> None:
    """Refuse data that by its first bytes can't be text.

    Raises:
        SourceUntrusted: the message says what it is instead.
    """
    for signature, kind in _NOT_TEXT.items():
        if head.startswith(signature):
            raise SourceUntrusted(f"{name} is {kind}, not text; set source.format, or export it as CSV or NDJSON")
