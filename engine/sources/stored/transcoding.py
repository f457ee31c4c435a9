"""Text in any encoding → UTF-8, while it is read."""

from __future__ import annotations

import codecs

from engine.sources.stored.compression import ByteReader, UnreadableData

NEVER_IN_UTF8 = b"\xff"
"""Stands for what can't be decoded, so that whoever reads the text refuses the record that holds it."""

_ERRORS = "mark-undecodable"
_PLACEHOLDER = "\udcff"


def _keep_place(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return _PLACEHOLDER, error.end
    if isinstance(error, UnicodeEncodeError):
        return NEVER_IN_UTF8 * (error.end - error.start), error.end
    raise error


codecs.register_error(_ERRORS, _keep_place)


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
