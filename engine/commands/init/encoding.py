"""How a text is encoded, as far as its first bytes tell."""

from __future__ import annotations

import re
from contextlib import closing

from engine.sources import InputFile
from engine.values import SourceUntrusted

HEAD_BYTES = 65_536
"""So much of a text is looked at."""


def head_of(file: InputFile) -> bytes:
    """Return the beginning of a text, in UTF-8 as far as its encoding is known."""
    with closing(file.open()) as stream:
        return stream.read(HEAD_BYTES)


def encoding_of(file: InputFile) -> str | None:
    """Return the encoding to set for a text; none for UTF-8, or where a byte order mark proves another one.

    Windows-1252 is proposed for letters with accents between others, as in the names of Western Europe; where they
    follow one another, it is another encoding, of which nothing is known. UTF-8 may have some rows that are none.

    Raises:
        SourceMissing: the file has gone.
        SourceUntrusted: its encoding cannot be told, or it cannot be read.
    """
    with closing(file.open()) as stream:
        head = stream.read(HEAD_BYTES)
    return None if stream.marked_encoding else _encoding_without_mark(head, file.path)


def _encoding_without_mark(head: bytes, path: str) -> str | None:
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
