"""What one pass over a file shows of it, beside its records."""

from __future__ import annotations

import xxhash


class FilePass:
    """Sees the bytes of a file as they are read from its first to its last one, as stored and as text."""

    def __init__(self) -> None:
        self._hash = xxhash.xxh3_128()
        self._has_line_ends = False
        self._last_byte = b""

    def see_stored(self, data: bytes) -> None:
        """Take the next bytes of the file, as stored."""
        self._hash.update(data)

    def see_text(self, data: bytes) -> None:
        """Take the next bytes of its text."""
        self._has_line_ends = self._has_line_ends or b"\n" in data or b"\r" in data
        self._last_byte = data[-1:] or self._last_byte

    def digest(self) -> str:
        """Return the XXH3-128 of what was read, in hexadecimal."""
        return self._hash.hexdigest()

    @property
    def last_line_is_open(self) -> bool:
        """Whether the text does not end with the end of a line, though there was one before."""
        return self._has_line_ends and self._last_byte not in (b"\n", b"\r")
