"""Two nights as a comparison sees them: a key and a digest for each record, in the order of the exports.

`python -m benchmarks.nights.numbers DIRECTORY LAST.ndjson TONIGHT.ndjson` makes them of two exports, once for all who
compare.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.ledger import keys_and_digests

Numbers = NDArray[np.uint64]

LAST, TONIGHT = "last", "tonight"

LEDGER_KEY = 0x6A09E667F3BCC908
"""The secret of a ledger, which all numbers are made with."""

BATCH_RECORDS = 10_000
"""As many as sources yield at once."""


def batches_of_lines(export: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of an export as blocks have them, each time with how many there are."""
    with export.open("rb") as file:
        while lines := list(islice(file, BATCH_RECORDS)):
            yield b"".join(lines).removesuffix(b"\n"), len(lines)


def numbers_of(lines: bytes, count: int) -> tuple[Numbers, Numbers]:
    """Return the keys and the digests of so many lines."""
    keys, digests = keys_and_digests(lines, count, LEDGER_KEY)
    return np.frombuffer(keys, np.uint64), np.frombuffer(digests, np.uint64)


def write_numbers(directory: Path, night: str, export: Path) -> None:
    """Write the keys and the digests of all records of an export."""
    key_path, digest_path = _paths(directory, night)
    with key_path.open("wb") as key_file, digest_path.open("wb") as digest_file:
        for lines, count in batches_of_lines(export):
            keys, digests = numbers_of(lines, count)
            keys.tofile(key_file)
            digests.tofile(digest_file)


def batches_of_numbers(directory: Path, night: str) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield keys and digests, some at a time."""
    key_path, digest_path = _paths(directory, night)
    with key_path.open("rb") as key_file, digest_path.open("rb") as digest_file:
        while len(keys := np.fromfile(key_file, np.uint64, BATCH_RECORDS)):
            yield keys, np.fromfile(digest_file, np.uint64, BATCH_RECORDS)


def all_numbers(directory: Path, night: str) -> tuple[Numbers, Numbers]:
    """Return all keys and digests at once."""
    keys, digests = (np.fromfile(path, np.uint64) for path in _paths(directory, night))
    return keys, digests


def _paths(directory: Path, night: str) -> tuple[Path, Path]:
    return directory / f"{night}.keys", directory / f"{night}.digests"


if __name__ == "__main__":
    write_numbers(Path(sys.argv[1]), LAST, Path(sys.argv[2]))
    write_numbers(Path(sys.argv[1]), TONIGHT, Path(sys.argv[3]))
