"""Decompression of text sources while they are read: bounded memory, and damage is told from an ordinary end."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

Compression = Literal["gzip", "zstd"]

_STORED_SLICE_BYTES = 1 << 16
_ZSTD_SLICE_BYTES = 1 << 10
"""What is handed to zstd at once. Its decoder has no bound on output, but so few bytes can't become more than 32 MB
even if they are crafted (128 kB for each 4 bytes, RFC 8878 section 3.1.1.2); smaller slices would cost time."""

_ZSTD_HEADER_BYTES = 18
"""The most that a frame's header takes (RFC 8878 section 3.1.1.1)."""

_ZSTD_WINDOW_BYTES_MAX = 128 << 20
"""How far back a zstd frame may refer: so much must be held in memory. `zstd` goes further only with `--long`."""

_GZIP_WBITS = 16 + zlib.MAX_WBITS


class DamagedData(Exception):
    """Compressed data can't be decompressed; `str()` says why, to go behind the words "it is damaged: "."""


class UnreadableData(Exception):
    """Compressed data is sound, but can't be decompressed here; `str()` goes behind the name of the file."""


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
        self._new_frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX).decompressobj
        self._parameters_of = zstandard.get_frame_parameters
        self._stored = stored
        self._frame = self._new_frame()
        self._header = b""
        self._input = b""
        self._output = memoryview(b"")
        self._between_frames = True

    def read(self, size: int) -> bytes:
        """Return 1 to `size` decompressed bytes, or none at the end.

        Raises:
            DamagedData: the data is corrupt, ends too early, or something else follows it.
            UnreadableData: decompressing it would take too much memory.
        """
        while not self._output:
            self._input = self._input or self._stored.read(_ZSTD_SLICE_BYTES)
            if not self._input and not self._between_frames:
                raise DamagedData("it ends in the middle of its zstd data (was it copied completely?)")
            if not self._input:
                return b""
            self._header += self._input[: _ZSTD_HEADER_BYTES - len(self._header)]
            try:
                self._output = memoryview(self._frame.decompress(self._input))
            except self._error:
                raise self._problem() from None
            self._input = self._frame.unused_data
            self._between_frames = self._frame.eof
            if self._frame.eof:
                self._frame, self._header = self._new_frame(), b""
        output, self._output = self._output[:size], self._output[size:]
        return bytes(output)

    def _problem(self) -> DamagedData | UnreadableData:
        """Return why the open frame can't be decompressed."""
        try:
            window_bytes = self._parameters_of(self._header).window_size
        except self._error:
            window_bytes = 0
        if window_bytes <= _ZSTD_WINDOW_BYTES_MAX:
            return DamagedData("its zstd data is corrupt, or something else follows it")
        return UnreadableData(
            f"was compressed with a window of {window_bytes >> 20:,} MB, and no more than "
            f"{_ZSTD_WINDOW_BYTES_MAX >> 20} MB are held in memory; compress it again without --long: "
            "zstd -d --long=31 -c OLD | zstd > NEW"
        )


class CompressionMethod(NamedTuple):
    """How files compressed by one method are told from others, and read."""

    suffix: str
    """How their names end, in small letters."""
    signature: re.Pattern[bytes]
    """Matches their first bytes."""
    decompress: Callable[[ByteReader], ByteReader]


COMPRESSIONS: Mapping[Compression, CompressionMethod] = {
    "gzip": CompressionMethod(".gz", re.compile(rb"\x1f\x8b"), Gunzip),  # RFC 1952 section 2.3.1
    # RFC 8878 sections 3.1.1 and 3.1.2; pzstd begins with a frame to skip
    "zstd": CompressionMethod(".zst", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), Unzstd),
}

COMPRESSION_OF_SUFFIX: Mapping[str, Compression] = {method.suffix: name for name, method in COMPRESSIONS.items()}


def compression_of(head: bytes) -> Compression | None:
    """Return how data that starts with `head` is compressed, or None."""
    return next((name for name, method in COMPRESSIONS.items() if method.signature.match(head)), None)
