"""One input of a source as a stream of decompressed bytes, whatever it is stored as."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of a source, or standard input (`path` is `-`).

    `size` is in bytes as stored, None for standard input, whose compression shows only when it is read.
    """

    path: str
    format: Format
    compression: Compression | None
    size: int | None
    open_stored: Callable[[], StoredStream]
    """Opens it as it is stored, and at random places if it is a file; raises what `Store.open` does."""
    keys: Mapping[str, str | None] = field(default_factory=dict)
    """What the names of its directories say of all its rows, such as `state=KA`: a column of text each."""

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
        stored = _StoredBytes(self.name, self.open_stored(), stays_open=self.is_stdin)
        compression = self.compression
        if self.is_stdin:
            head = stored.peek(HEAD_BYTES)
            refuse_binary(self.name, head)
            compression = compression_of(head)
        return InputStream(stored, COMPRESSIONS[compression].decompress(stored) if compression else stored)


class InputStream(io.BufferedIOBase):
    """The decompressed bytes of one input.

    Everything before a damaged spot is returned first: a `read` that meets damage returns what it has, and only the
    next one raises. So, as everywhere, nothing but an empty result means the end.
    """

    def __init__(self, stored: _StoredBytes, reader: ByteReader) -> None:
        self._stored = stored
        self._reader = reader
        self._damage: SourceUntrusted | None = None

    @property
    def stored_bytes(self) -> int:
        """How many bytes, as stored, have been taken from the file so far."""
        return self._stored.position

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
        self._stored.close()
        super().close()

    def _as_untrusted(self, error: DamagedData | SourceUntrusted) -> SourceUntrusted:
        if isinstance(error, SourceUntrusted):
            return error
        return SourceUntrusted(f"{self._stored.name} is damaged: {error}")


class _StoredBytes:
    """Counts the bytes taken from a file or from standard input, and says clearly when that fails."""

    def __init__(self, name: str, stream: StoredStream, *, stays_open: bool = False) -> None:
        self.name = name
        self.position = 0
        self._stream = stream
        self._stays_open = stays_open
        self._peeked = b""

    def read(self, size: int, /) -> bytes:
        if self._peeked:
            data, self._peeked = self._peeked[:size], self._peeked[size:]
            self.position += len(data)
            return data
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise SourceUntrusted(f"{self.name} cannot be read: {error.strerror}") from None
        if data is None:
            raise SourceUntrusted(f"{self.name} is in non-blocking mode; nothing more can be read from it safely")
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
        if not self._stays_open:
            self._stream.close()


def refuse_binary(name: str, head: bytes) -> None:
    """Refuse data that by its first bytes can't be text.

    Raises:
        SourceUntrusted: the message says what it is instead.
    """
    for signature, kind in _NOT_TEXT.items():
        if head.startswith(signature):
            raise SourceUntrusted(f"{name} is {kind}, not text; set source.format, or export it as CSV or NDJSON")
