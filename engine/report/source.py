"""What a run has read, and what of its source it has not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A file that was read; what is not known of it is None."""

    path: str
    """Where it is; `-` for standard input."""
    bytes: int | None = None
    """Its size, as stored."""
    rows: int | None = None
    """Its records and the rows left out of it; known where it is the only one, and was read to its end."""
    fingerprint: str | None = None
    """The XXH3-128 of its content, in hexadecimal; known once it was read to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What of the source was not read. None is not known; an estimate never stands here."""

    rows: int | None = None
    bytes: int | None = None
    """As stored, from behind the last record that was read."""

    def __add__(self, other: Self) -> Self:
        return type(self)(rows=_sum((self.rows, other.rows)), bytes=_sum((self.bytes, other.bytes)))


def bytes_of(inputs: Iterable[Input]) -> int | None:
    """Return the bytes of all files; None where that is not known."""
    return _sum(each.bytes for each in inputs)


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
