"""Decompression of text sources while they are read: bounded memory, and damage is told from an ordinary end."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

Compression = Literal["gzip", "zstd"]

_STORED_SLICE_BYTES = 1 << 16
_ZSTD_SLICE_BYTES = 1 << 10
"""What is handed to zstd at once. Its decoder has no bound on output, but so few bytes can't become more than 32 MB
even if they are crafted (128 kB for each 4 bytes, RFC 8878 section 3.1.1.2); smaller slices would cost time."""

_GZIP_WBITS = 16 + zlib.MAX_WBITS


class DamagedData(Exception):
    """Compressed data can't be decompressed; `str()` says why, to go behind the words "it is damaged: "."""


class ByteReader(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        ...


class Gunzip:
    """The contents of a gzip file, of all its members if there are several (as `cat a.gz b.gz` makes them).

    Not `gzip.GzipFile`. It reads the same damaged files, but calls an undamaged one damaged if a pipe happens to hand
    over only the first of the two bytes with which a member begins; and it feeds zlib so little at a time that reading
    a compressed source takes 6 to 8 % more CPU (measured with Python 3.11).
    """

    def __init__(self, stored: ByteReader) -> None:
        self._stored = stored
        self._member = zlib.decompressobj(_GZIP_WBITS)
        self._input = b""
        self._between_members = True

    def read(self, size: int) -> bytes:
        """Return 1 to `size` decompressed bytes, or none at the end.

        Raises:
            DamagedData: the data is corrupt, ends too early, or something else follows it.
        """
        while True:
            if not self._input:
                self._input = self._stored.read(_STORED_SLICE_BYTES)
                if not self._input and not self._between_members:
                    raise DamagedData("it ends in the middle of its gzip data (was it copied completely?)")
                if not self._input:
                    return b""
            if self._between_members and not self._starts_member():
                continue
            try:
                output = self._member.decompress(self._input, size)
            except zlib.error:
                raise DamagedData("its gzip data is corrupt") from None
            self._input = self._member.unconsumed_tail
            if self._member.eof:
                self._input = self._member.unused_data
                self._member = zlib.decompressobj(_GZIP_WBITS)
                self._between_members = True
            if output:
                return output

    def _starts_member(self) -> bool:
        """Step into the next member, over the zero bytes that may pad the end (as on tapes)."""
        self._input = self._input.lstrip(b"\0")
        if self._input and self._input[0] != 0x1F:
            raise DamagedData("something that is not gzip data follows its gzip data")
        self._between_members = not self._input
        return bool(self._input)


class Unzstd:
    """The contents of a zstd file, of all its frames if there are several."""

    def __init__(self, stored: ByteReader) -> None:
        import zstandard  # here, because few runs need it and it takes its time

        self._error = zstandard.ZstdError
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._stored = stored
        self._frame = self._new_frame()
        self._input = b""
        self._output = memoryview(b"")
        self._between_frames = True

    def read(self, size: int) -> bytes:
        """Return 1 to `size` decompressed bytes, or none at the end.

        Raises:
            DamagedData: the data is corrupt, ends too early, or something else follows it.
        """
        while not self._output:
            self._input = self._input or self._stored.read(_ZSTD_SLICE_BYTES)
            if not self._input and not self._between_frames:
                raise DamagedData("it ends in the middle of its zstd data (was it copied completely?)")
            if not self._input:
                return b""
            try:
                self._output = memoryview(self._frame.decompress(self._input))
            except self._error:
                raise DamagedData("its zstd data is corrupt, or something else follows it") from None
            self._input = self._frame.unused_data
            self._between_frames = self._frame.eof
            if self._frame.eof:
                self._frame = self._new_frame()
        output, self._output = self._output[:size], self._output[size:]
        return bytes(output)


class CompressionMethod(NamedTuple):
    """How files compressed by one method are told from others, and read."""

    suffix: str
    """How their names end, in small letters."""
    signature: bytes
    """Their first bytes."""
    decompress: Callable[[ByteReader], ByteReader]


COMPRESSIONS: Mapping[Compression, CompressionMethod] = {
    "gzip": CompressionMethod(".gz", b"\x1f\x8b", Gunzip),  # RFC 1952 section 2.3.1
    "zstd": CompressionMethod(".zst", b"\x28\xb5\x2f\xfd", Unzstd),  # RFC 8878 section 3.1.1
}

COMPRESSION_OF_SUFFIX: Mapping[str, Compression] = {method.suffix: name for name, method in COMPRESSIONS.items()}


def compression_of(head: bytes) -> Compression | None:
    """Return how data that starts with `head` is compressed, or None."""
    return next((name for name, method in COMPRESSIONS.items() if head.startswith(method.signature)), None)
