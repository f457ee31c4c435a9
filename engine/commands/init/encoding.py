"""How a text is encoded, as far as its first bytes tell."""

from __future__ import annotations

import re

from engine.values import SourceUntrusted


def encoding_of(head: bytes, path: str) -> str | None:
    """Return how a text is encoded that begins with `head`; None for UTF-8.

    Windows-1252 is proposed for letters with accents between others, as in the names of Western Europe; where they
    follow one another, it is another encoding, of which nothing is known. UTF-8 may have some rows that are none.

    Raises:
        SourceUntrusted: it cannot be told.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head[:200].count(b"\0") > 20:
        return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 4:  # a character was cut in two
            return None
        text = head.decode(errors="replace")
        bad = text.count("\ufffd")
        if sum(not character.isascii() for character in text) > 2 * bad:
            return None  # UTF-8 with rows that will be invalid
        single = [len(run) == 1 for run in re.findall(rb"[\x80-\xff]+", head)]
        if sum(single) > 0.9 * len(single):
            return "windows-1252"
        raise SourceUntrusted(
            f'{path} is not UTF-8 (byte {error.start}); name its encoding in source.encoding, such as "windows-1252", '
            f"or convert it first: iconv -f WINDOWS-1252 -t UTF-8 {path} > converted"
        ) from None
    return None
