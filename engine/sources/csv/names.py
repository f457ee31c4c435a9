"""Whether the first line of a file is a header: only the text of one may be shown in messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.sources.spec import SourceSpec

_is_data = re.compile(
    r"\W*\d[\d.,\s]*\W*"  # a number or an amount
    r"|.*\d{5}.*"  # part of a number of a phone, a loan, a document
    r"|\W*\d{1,4}[-/.]\w{1,9}[-/.]\d{1,4}.*"  # a date
    r"|.*@.*",
    re.DOTALL,
).fullmatch
_digits = re.compile(r"\d+")
_letters = re.compile(r"[^\W\d_]+")


def are_names(cells: Sequence[str], rows: Sequence[Sequence[str]], spec: SourceSpec) -> bool:
    """Return whether `cells`, the first line above `rows`, are beyond doubt names of columns.

    They are if the settings name one of them. Else none may look like a number, a date or an address, or be built as
    most cells below it are (`LN1` above `LN2`), and in some column there must be data below what is none.
    """
    if any(not wanted.isdisjoint(cells) for wanted in map(set, spec.named_columns().values())):
        return True
    columns = list(zip(*rows, strict=True)) or [()] * len(cells)
    if any(_is_data(cell) or _is_built_like(cell, column) for cell, column in zip(cells, columns, strict=True)):
        return False
    return any(cell and any(map(_is_data, column)) for cell, column in zip(cells, columns, strict=True))


def are_data(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether most of `cells`, the first line above `rows`, are data rather than names of columns."""
    columns = list(zip(*rows, strict=True)) or [()] * len(cells)
    found = [bool(_is_data(cell) or _is_built_like(cell, column)) for cell, column in zip(cells, columns, strict=True)]
    return 2 * sum(found) > len([cell for cell in cells if cell])


def _is_built_like(cell: str, below: Sequence[str]) -> bool:
    """Return whether a cell with a digit has the letters and digits where most cells below it have theirs."""
    shape = _shape(cell)
    return "0" in shape and 2 * sum(_shape(other) == shape for other in below) > len(below)


def _shape(cell: str) -> str:
    return _letters.sub("a", _digits.sub("0", cell))
