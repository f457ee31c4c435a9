"""How a CSV or TSV text is written: what is set, and for the rest what its head shows. One answer for all commands.

**Delimiter.** Each mark that may be one is tried on the first records. It fits if the first record that it divides has
the same number of cells as at least half of those that follow. Of those that fit, the one whose first divided record
comes first is taken, so that a title above the header does no harm, nor do commas in numbers and names below it; of
these the one that divides into most cells. Where none fits, it is the one that divides the first
record, rather the format's own. Odd ones (`~`, `^`, Ctrl-A) are tried only where the first line has them. A first line
`sep=;`, which Excel writes and reads, names it; such a line is no data.

**Quote.** TSV has none unless one is set. CSV has `"`, or `'` where each cell of its first record is in those.

**Escape.** A backslash, if records are regular only with it: every record with an escaped quote then is, and fewer
others are wrong than without.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from engine.sources.csv.stray_quotes import RowReader
from engine.sources.csv.text import BETWEEN_RECORDS, LINE_END, Dialect, RecordReader
from engine.sources.formats import DELIMITERS, FORMATS, ODD_DELIMITERS, Format
from engine.sources.spec import SourceSpec

HEAD_BYTES = 1 << 18
"""So much of a text is its head."""

RECORDS_TRIED = 50

TITLE_LINES_MAX = 20
"""So many lines may stand above the header."""

_sep_line = re.compile(r'\ufeff?[\r\n]*"?sep=([^\r\n])"?[ \t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)


def detect_dialect(head: bytes, format_: Format, spec: SourceSpec) -> Dialect:
    """Return how a text is written.

    Args:
        head: The `HEAD_BYTES` that it begins with, or all of it; anything behind them is not looked at.
        format_: What the file is called.
        spec: What is set, and then need not be found.
    """
    ended = len(head) < HEAD_BYTES
    text = head[:HEAD_BYTES].decode(errors="replace")
    named, begin = sep_line(text)
    text = text[begin:].lstrip(BETWEEN_RECORDS)
    quote = spec.quote if spec.quote is not None else "" if format_ == "tsv" else '"'
    escape = spec.escape if spec.escape and spec.escape != quote else ""
    mark = spec.delimiter or named
    marks = [mark] if mark else dict.fromkeys([FORMATS[format_].delimiter or ",", *DELIMITERS])
    not_here = ODD_DELIMITERS.difference(LINE_END.split(text, maxsplit=1)[0], [mark])
    tried = [Dialect(mark, quote, escape) for mark in marks if mark not in not_here]
    if spec.quote is None and quote:
        tried = [replace(dialect, quote="'") for dialect in tried if _quotes_all(text, dialect)] or tried
    scores = [_score(dialect, text, ended) for dialect in tried]
    found = tried[scores.index(max(scores))]
    if spec.escape is None and found.quote and _is_escaped(text, found, ended):
        return replace(found, escape="\\")
    return found


def sep_line(text: str) -> tuple[str | None, int]:
    """Return the delimiter that a line `sep=` names, and where that line ends; None, 0 if the text has none."""
    match = _sep_line.match(text)
    return (match[1], match.end()) if match else (None, 0)


def _quotes_all(text: str, dialect: Dialect) -> bool:
    """Return whether the first line has each of its cells in single quotes."""
    return re.match(rf"'[^'\r\n]*'(?:{re.escape(dialect.delimiter)}'[^'\r\n]*')*(?:[\r\n]|$)", text) is not None


class _Score(NamedTuple):
    """How well a dialect divides the first records; the greatest is the best."""

    fits: bool
    title_records: int
    """How many come before the first one that it divides, as a negative number."""
    divisions: float


def _score(dialect: Dialect, text: str, ended: bool) -> _Score:
    records = islice(RecordReader(text, dialect, ended=ended), RECORDS_TRIED)
    widths = [0 if record.problem else len(record.cells) for record in records]
    first = next((index for index, width in enumerate(widths[: TITLE_LINES_MAX + 1]) if width > 1), None)
    if first is None:
        return _Score(False, -len(widths), 0)
    following = widths[first + 1 :]
    agreeing = following.count(widths[first])
    share = (agreeing + 1) / (len(following) + 1)
    return _Score(2 * agreeing >= len(following), -first, (widths[first] - 1) * share)


def _is_escaped(text: str, dialect: Dialect, ended: bool) -> bool:
    """Return whether backslashes stand before the quotes inside cells, beyond doubt."""
    pair = f"\\{dialect.quote}"
    header = next((record.cells for record in RecordReader(text, dialect, ended=ended) if len(record.cells) > 1), None)
    if pair not in text or header is None:
        return False
    doubled, escaped = (_irregular(text, tried, header, ended) for tried in (dialect, replace(dialect, escape="\\")))
    return len(escaped) < len(doubled) and not any(pair in record for record in escaped)


def _irregular(text: str, dialect: Dialect, header: list[str], ended: bool) -> list[str]:
    rows = RowReader(text, dialect, header, ended=ended)
    irregular = [text[row.start : row.end] for row in rows if row.problem or len(row.cells) != len(header)]
    return [*irregular, text[rows.position :]] if rows.in_quotes and ended else irregular
