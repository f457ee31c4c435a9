"""The bytes of one file, or of standard input, as they are stored: counted, shown to who watches, and all of them."""

from __future__ import annotations

from collections.abc import Callable

from engine.sources.stored.file_pass import FilePass
from engine.sources.stored.kinds import HEAD_BYTES
from engine.sources.stored.store import StoredStream, moved
from engine.values import SourceUntrusted

_SIGNATURE_BYTES = 8
"""How many bytes tell most kinds of files from others."""


class StoredBytes:
    """Reads `stream` from its start, and says clearly when that fails.

    Args:
        name: How messages call the file.
        stream: Its bytes.
        size: How many there must be; None if nobody knows. More or fewer mean that the file is being written.
        verify: Called at the end, before the stream is closed; raises SourceUntrusted if it is not the file any more.
        stays_open: Whether `close` leaves the stream open.
        seen_by: Sees what is read.
    """

    def __init__(
        self,
        name: str,
        stream: StoredStream,
        *,
        size: int | None = None,
        verify: Callable[[StoredStream], None] | None = None,
        stays_open: bool = False,
        seen_by: FilePass | None = None,
    ) -> None:
        self.name = name
        self.position = 0
        self._stream = stream
        self._size = size
        self._verify = verify
        self._stays_open = stays_open
        self._seen_by = seen_by
        self._peeked = b""

    def read(self, size: int, /) -> bytes:
        """Return 1 to `size` bytes, or none at the end.

        Raises:
            SourceUntrusted: they can't be read, or the file is not what it was when it was found.
        """
        if self._peeked:
            data, self._peeked = self._peeked[:size], self._peeked[size:]
            self.position += len(data)
            return data
        if self._size is not None:
            size = min(size, max(self._size - self.position, 1))  # one byte too many shows that there are more
        data = self._read(size)
        self.position += len(data)
        if self._size is not None and (not data or self.position > self._size):
            self._check_end(self._size)
        if self._seen_by is not None:
            self._seen_by.see_stored(data)
        return data

    def peek(self) -> bytes:
        """Return the first bytes, as many as tell what the file is, and leave them to be read.

        They are fewer if there are no more, or if more would have to be waited for.
        """
        head = b""
        while len(head) < _SIGNATURE_BYTES and (data := self.read(HEAD_BYTES - len(head))):
            head += data
        self._peeked = head
        self.position = 0
        return head

    def close(self) -> None:
        """Close the stream."""
        if not self._stays_open:
            self._stream.close()

    def _read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise SourceUntrusted(f"{self.name} cannot be read: {error.strerror}") from None
        if data is None:
            raise SourceUntrusted(f"{self.name} is in non-blocking mode; nothing more can be read from it safely")
        return data

    def _check_end(self, size: int) -> None:
        if self._verify is not None:
            self._verify(self._stream)
        if self.position != size:
            how = "grew" if self.position > size else f"ended after {self.position:,} of {size:,} bytes"
            raise moved(self.name, how)
