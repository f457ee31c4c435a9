"""Is it UTF-8? Asked of every block of a large source."""

from __future__ import annotations

import sys

POLARS_PAYS_FROM_BYTES = 256 << 20
"""From here on, what decoding has cost so far would have paid for importing polars, which is ten times as fast."""


class Utf8Check:
    """Checks text for valid UTF-8 and throws it away. One instance serves the process: it remembers what that costs."""

    def __init__(self) -> None:
        self._decoded_bytes = 0

    def __call__(self, text: bytes) -> bool:
        """Return whether `text` is valid UTF-8 (so without surrogates)."""
        if text.isascii():
            return True
        if "polars" in sys.modules or self._decoded_bytes >= POLARS_PAYS_FROM_BYTES:
            return check_natively(text)
        self._decoded_bytes += len(text)
        try:
            text.decode()
        except UnicodeDecodeError:
            return False
        return True


def check_natively(text: bytes) -> bool:
    """Return the same, by a library that checks many bytes in each step."""
    import polars  # here, because it takes long

    try:
        polars.Series([text], dtype=polars.Binary).cast(polars.String)
    except polars.exceptions.PolarsError:
        return False
    return True


is_utf8 = Utf8Check()
