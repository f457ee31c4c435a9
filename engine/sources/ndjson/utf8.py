"""Is it UTF-8? Asked of every block of a large source."""

from __future__ import annotations

import struct
import sys

PYARROW_PAYS_FROM_BYTES = 64 << 20
"""From here on, what decoding has cost so far would have paid for importing pyarrow, which is three times as fast.

polars would be faster still, but takes SIGINT over when it is imported (pola-rs/polars#21739): a Ctrl-C would then end
the run in the middle of a block instead of letting what is in flight finish.
"""


class Utf8Check:
    """Checks text for valid UTF-8 and throws it away. One instance serves the process: it remembers what that costs."""

    def __init__(self) -> None:
        self._decoded_bytes = 0

    def __call__(self, text: bytes) -> bool:
        """Return whether `text` is valid UTF-8 (so without surrogates)."""
        if text.isascii():
            return True
        if "pyarrow" in sys.modules or self._decoded_bytes >= PYARROW_PAYS_FROM_BYTES:
            return check_natively(text)
        self._decoded_bytes += len(text)
        try:
            text.decode()
        except UnicodeDecodeError:
            return False
        return True


def check_natively(text: bytes | memoryview) -> bool:
    """Return the same, by a library that checks many bytes in each step."""
    import pyarrow  # here, because it takes long

    offsets = pyarrow.py_buffer(struct.pack("qq", 0, len(text)))
    column = pyarrow.Array.from_buffers(pyarrow.large_string(), 1, [None, offsets, pyarrow.py_buffer(text)])
    try:
        column.validate(full=True)
    except pyarrow.ArrowInvalid:
        return False
    return True


is_utf8 = Utf8Check()
