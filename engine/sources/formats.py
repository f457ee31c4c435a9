"""The formats that sources come in, all in one table: a new one is a word in `Format`, an entry, and its module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Format = Literal["csv", "tsv", "ndjson", "parquet"]

DELIMITERS: Mapping[str, str] = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars",
    "~": "tildes",
    "^": "carets",
    "\x01": r"control characters (\x01)",
}
"""What may separate the cells of a row of text, the likeliest first, and how messages call it."""

ODD_DELIMITERS = frozenset("~^\x01")
"""Those that few programs write; they separate cells only where they stand in the first line."""


class FormatFacts(Struct, frozen=True):
    """How files of one format are told from others, and what reads them."""

    name: str
    """How messages call it."""
    suffixes: tuple[str, ...]
    """How the names of its files end, in small letters."""
    reader: str
    """The module that has a `look` and a `read_rows` for it (`files.py`). It is imported when the first file is met:
    some bring heavy libraries."""
    is_text: bool = True
    """Whether its files may be compressed as a whole (`.csv.gz`), and must not look like anything binary."""
    reads_stdin: bool = True
    """Whether it can be read from its first byte to its last, without going back."""
    keys_vary: bool = False
    """Whether each record has keys of its own, rather than all of them the columns of a header."""
    delimiter: str | None = None
    """What separates its cells unless the header says otherwise; None if they are not separated by a character."""


FORMATS: Mapping[Format, FormatFacts] = {
    "csv": FormatFacts("CSV", (".csv",), "engine.sources.csv.reader", delimiter=","),
    "tsv": FormatFacts("TSV", (".tsv",), "engine.sources.csv.reader", delimiter="\t"),
    "ndjson": FormatFacts("NDJSON", (".ndjson", ".jsonl"), "engine.sources.ndjson.reader", keys_vary=True),
    "parquet": FormatFacts("Parquet", (".parquet",), "engine.sources.parquet.reader", is_text=False, reads_stdin=False),
}

FORMAT_OF_SUFFIX: Mapping[str, Format] = {
    suffix: format_ for format_, facts in FORMATS.items() for suffix in facts.suffixes
}

DELIMITED = frozenset(format_ for format_, facts in FORMATS.items() if facts.delimiter)
"""The formats whose columns are text without a type."""
