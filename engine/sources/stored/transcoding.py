"""Text in any encoding → UTF-8, while it is read: in the one that is set, or that a byte order mark proves."""

from __future__ import annotations

import codecs

from engine.sources.stored.compression import ByteReader, UnreadableData

NEVER_IN_UTF8 = b"\xff"
"""Stands for what can't be decoded, so that whoever reads the text refuses the record that holds it."""

_HEAD_BYTES = 1 << 12
"""So much is read to see whether text begins with a byte order mark."""

_ERRORS = "mark-undecodable"
_PLACEHOLDER = "\udcff"


def _keep_place(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return _PLACEHOLDER, error.end
    if isinstance(error, UnicodeEncodeError):
        return NEVER_IN_UTF8 * (error.end - error.start), error.end
    raise error


codecs.register_error(_ERRORS, _keep_place)


_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",  # behind that of UTF-32, which begins with it
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The byte order marks that prove an encoding, but that of UTF-8."""


class Marked:
    """The text of `reader` in UTF-8, if it is in that encoding, or a byte order mark proves another one."""

    def __init__(self, reader: ByteReader) -> None:
        self.encoding: str | None = None
        """What its mark proves, once something was read."""
        self._reader = reader
        self._begun = False

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end; raises what the reader raises."""
        if not self._begun:
            self._begun = True
            self._reader = self._as_marked()
        return self._reader.read(size)

    def _as_marked(self) -> ByteReader:
        head = b""
        while len(head) < len(codecs.BOM_UTF32_LE) and (data := self._reader.read(_HEAD_BYTES)):
            head += data
        self.encoding = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)
        whole = _Whole(head, self._reader)
        return Transcoded(whole, self.encoding) if self.encoding else whole


class _Whole:
    """The bytes of `reader` behind those that were taken from it."""

    def __init__(self, taken: bytes, reader: ByteReader) -> None:
        self._taken = taken
        self._reader = reader

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        if not self._taken:
            return self._reader.read(size)
        data, self._taken = self._taken[:size], self._taken[size:]
        return data


class Transcoded:
    """The text of `reader`, which is in `encoding`, in UTF-8."""

    def __init__(self, reader: ByteReader, encoding: str) -> None:
        self._reader = reader
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)
        self._output = memoryview(b"")
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end; raises what the reader raises.

        Raises:
            UnreadableData: the encoding needs a byte order mark, and there is none.
        """
        while not self._output and not self._ended:
            data = self._reader.read(size)
            self._ended = not data
            text = self._decoded(data)
            self._output = memoryview(text.encode("utf-8", _ERRORS))
        output, self._output = self._output[:size], self._output[size:]
        return bytes(output)

    def _decoded(self, data: bytes) -> str:
        try:
            return self._decoder.decode(data, final=self._ended)
        except UnicodeError:  # what can't be decoded is marked; so this is about the text as a whole
            name = self._encoding.replace("_", "-")
            raise UnreadableData(
                f'does not start with a byte order mark, as {name} text does; set source.encoding = "{name}-le" or '
                f'"{name}-be" if it is {name} without one'
            ) from None
