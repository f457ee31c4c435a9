"""What a file is that is no source: told by its first bytes, and named with what to do about it."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.values import SourceUntrusted

HEAD_BYTES = 512
"""How many first bytes tell what a file is; a tar archive says so behind the first name in it."""


class Kind(NamedTuple):
    """A kind of file. `pattern` matches where a file starts; `what` and `advice` follow the name of the file."""

    pattern: re.Pattern[bytes]
    what: str
    advice: str


def _kind(pattern: bytes, what: str, advice: str) -> Kind:
    return Kind(re.compile(pattern, re.DOTALL), what, advice)


def _unpacked_by(command: str) -> str:
    return f"unpack it first ({command}), or pack it as .gz or .zst"


_AS_TEXT = "export it as CSV or NDJSON"
_BINARY_FOLLOWS = rb"(?=.{0,60}[\x00-\x08\x0e-\x1f])"
"""Four letters might as well begin a header of CSV."""

PARQUET = _kind(
    rb"PAR1" + _BINARY_FOLLOWS, "a Parquet file, not text", 'set source.format = "parquet" or let its name say so'
)

KINDS = (
    PARQUET,
    _kind(rb"PARE" + _BINARY_FOLLOWS, "encrypted Parquet", "decrypt it, or export it without encryption"),
    _kind(
        rb"PK\x03\x04.{26}(?:\[Content_Types\]|_rels/|docProps/|xl/|mimetypeapplication/vnd\.oasis)",
        "a spreadsheet, not text",
        "save the sheet as CSV (UTF-8)",
    ),
    _kind(rb"PK(?:\x03\x04|\x05\x06)", "a ZIP archive", "unzip it first"),
    _kind(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "compressed with bzip2", _unpacked_by("bzip2 -dk")),
    _kind(rb"\xfd7zXZ\x00", "compressed with xz", _unpacked_by("xz -dk")),
    _kind(rb"\x04\x22\x4d\x18", "compressed with lz4", _unpacked_by("lz4 -dk")),
    _kind(rb"\xff\x06\x00\x00sNaPpY", "compressed with snappy", _unpacked_by("snzip -dk")),
    _kind(rb"\x1f\x9d", "compressed with compress", _unpacked_by("gzip -dk")),
    _kind(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    _kind(rb"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    _kind(rb".{257}ustar[ \x00]", "a tar archive", "unpack it first and name its files"),
    _kind(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file, not text", "save the sheet as CSV (UTF-8)"),
    _kind(rb"SQLite format 3\x00", "an SQLite database", _AS_TEXT),
    _kind(rb"Obj\x01", "an Avro file", f"{_AS_TEXT} or Parquet"),
    _kind(rb"ORC" + _BINARY_FOLLOWS, "an ORC file", f"{_AS_TEXT} or Parquet"),
    _kind(rb"(?:ARROW1\x00\x00|FEA1" + _BINARY_FOLLOWS + rb")", "an Arrow (Feather) file", f"{_AS_TEXT} or Parquet"),
    _kind(rb"%PDF-", "a PDF document", _AS_TEXT),
    _kind(
        rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?i:!doctype\s+html|html|head|body)\b",
        "a web page, not data",
        "look at it: it may be the login page of the place that it was fetched from",
    ),
    _kind(
        rb"(?:\xef\xbb\xbf)?\s*<(?i:meta|style|table)\b[^>]*>",
        "a table of a web page, as programs write that save it as a spreadsheet",
        "open it in one, and save the sheet as CSV (UTF-8)",
    ),
    _kind(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml\b|[\w:]+\s+xmlns[:=])", "an XML document", _AS_TEXT),
    _kind(rb"\x00{16}", "nothing but zeros where it begins", "it was not written completely; fetch it again"),
)
"""Kinds of files that are often given for data, a special case before the general one."""


def kind_of(head: bytes) -> Kind | None:
    """Return what a file that starts with `head` is, if it is none of the text formats; compressed text is one."""
    return next((kind for kind in KINDS if kind.pattern.match(head)), None)


def refuse_other_kinds(name: str, head: bytes, *, but: Kind | None = None) -> None:
    """Refuse data that by its first bytes is no source, or is of another kind than `but`.

    Raises:
        SourceUntrusted: the message says what it is instead, and what to do.
    """
    kind = kind_of(head)
    if kind is not None and kind is not but:
        raise SourceUntrusted(f"{name} is {kind.what}; {kind.advice}")
