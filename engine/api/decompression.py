"""The content encodings of a reply, undone piece by piece and never beyond a limit. Pure.

As in RFC 9110, section 8.4.1: `gzip` (also as `x-gzip`, of one member or several), and `deflate`, which should be in
zlib's format, and from many servers is not.
"""

from __future__ import annotations

import zlib

_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_ZLIB_HEADER_BYTES = 2


class Undecodable(Exception):
    """The body is damaged, larger than allowed, or encoded in a way that is not known."""


class Decompression:
    """Undoes the `encoding` of one body (the value of `Content-Encoding`), up to `limit` bytes of it.

    Raises:
        Undecodable: the encoding is not known.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        names = [name for name in map(str.strip, encoding.lower().split(",")) if name not in ("", "identity")]
        if len(names) > 1 or not _WINDOW_BITS.keys() >= set(names):
            raise Undecodable
        self._is_deflate = names == ["deflate"]
        self._window_bits = _WINDOW_BITS[names[0]] if names else 0
        self._member = zlib.decompressobj(self._window_bits) if names and not self._is_deflate else None
        self._held = b""  # the beginning of a deflated body, until one can tell its format
        self._left = limit

    def feed(self, piece: bytes) -> bytes:
        """Return what the next piece of the body decodes to.

        Raises:
            Undecodable: it can't be decompressed, or is too large.
        """
        if not self._window_bits:
            return self._counted(piece)
        if self._member is None:
            self._held += piece
            if len(self._held) < _ZLIB_HEADER_BYTES:
                return b""
            piece, self._held = self._held, b""
            self._member = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_header(piece) else -zlib.MAX_WBITS)
        return self._inflated(self._member, piece)

    def finish(self) -> None:
        """Say that there are no more pieces.

        Raises:
            Undecodable: the body ends too early.
        """
        if self._window_bits and (self._member is None or not self._member.eof):
            raise Undecodable

    def _inflated(self, member: zlib._Decompress, piece: bytes) -> bytes:
        parts = []
        try:
            while piece:
                if member.eof:
                    piece = piece.lstrip(b"\0")  # padding is allowed after a member
                    if not piece or self._is_deflate:
                        break
                    self._member = member = zlib.decompressobj(self._window_bits)
                parts.append(self._counted(member.decompress(piece, self._left + 1)))
                piece = member.unused_data
        except zlib.error:
            raise Undecodable from None
        return b"".join(parts)

    def _counted(self, part: bytes) -> bytes:
        self._left -= len(part)
        if self._left < 0:
            raise Undecodable
        return part


def _has_zlib_header(start: bytes) -> bool:
    """Whether a stream begins as RFC 1950 wants it; raw deflate rarely looks so."""
    return start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:_ZLIB_HEADER_BYTES], "big") % 31 == 0
