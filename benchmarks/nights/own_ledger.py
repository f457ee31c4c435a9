"""The engine's ledger of last night, and what it takes to bring it up to date with tonight.

`python -m benchmarks.nights.own_ledger make|commit DIRECTORY EXPORT`: of last night's export and of tonight's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.nights.numbers import LEDGER_KEY, batches_of_lines, numbers_of
from engine.ledger import Columns, Completed, Merged, Voided, acknowledged, delete_files, merge, open_columns, verify
from engine.ledger.changes import Change
from engine.reading.comparing import Comparing
from engine.reading.comparison import Comparison
from engine.values import JoinedLines, LineIds

FEED = 1
LAST_RUN, TONIGHTS_RUN = 1, 2


def make(directory: Path, export: Path) -> None:
    """Keep a ledger in the directory in which every record of an export is acknowledged."""
    merged = merge(
        None,
        _all_acknowledged(export),
        stem=_stem(directory),
        ids=_ids(directory),
        ids_bytes=0,
        completed=Completed(FEED, LAST_RUN, b""),
    )
    _note(directory).write_bytes(msgspec.json.encode(merged))


def _all_acknowledged(export: Path) -> Iterator[tuple[int, Change]]:
    for lines, count in batches_of_lines(export):
        keys, digests = numbers_of(lines, count)
        change = acknowledged(keys.tobytes(), digests.tobytes(), list(LineIds(JoinedLines(lines), count)))
        if change is not None:
            yield LAST_RUN, change


def saved(directory: Path) -> Merged:
    """Return what the journal would know of the ledger."""
    return msgspec.json.decode(_note(directory).read_bytes(), type=Merged)


def open_saved(directory: Path) -> Columns:
    """Open the ledger."""
    return open_columns(_stem(directory), saved(directory).generation, _ids(directory))


def comparison_with(directory: Path) -> Comparison:
    """Return a pass that is compared with the ledger."""
    generation = saved(directory).generation
    return Comparison(Comparing(LEDGER_KEY, str(_stem(directory)), generation, str(_ids(directory))))


def bytes_without_ids(directory: Path) -> int:
    """Return how large the ledger is without its ids."""
    stem = _stem(directory)
    files = stem.parent.glob(f"{stem.name}-{saved(directory).generation}.*")
    return sum(path.stat().st_size for path in files)


def commit(directory: Path, export: Path) -> dict[str, float]:
    """Merge all that has changed, and leave the ledger as it was; return what that took, and a look at all of it."""
    before = saved(directory)
    began = time.perf_counter()
    verify(_stem(directory), before.generation, before.checksum, _ids(directory), before.ids_bytes, before.ids_checksum)
    verified = time.perf_counter()
    changes, completed = _tonight(directory, export)
    base, started = open_saved(directory), time.perf_counter()
    merge(base, changes, stem=_stem(directory), ids=_ids(directory), ids_bytes=before.ids_bytes, completed=completed)
    merge_s = time.perf_counter() - started
    delete_files(_stem(directory), but=(before.generation,))
    size = bytes_without_ids(directory)
    return {"merge_s": merge_s, "verify_s": verified - began, "bytes_a_record": size / before.header.records}


def _tonight(directory: Path, export: Path) -> tuple[list[tuple[int, Change]], Completed]:
    """Return what the journal holds of tonight at its end: what was sent is first void, then acknowledged."""
    comparison = comparison_with(directory)
    changes: list[tuple[int, Change]] = []
    for lines, count in batches_of_lines(export):
        keys, digests = numbers_of(lines, count)
        looked = comparison.look_up(keys, digests, ())
        wanted = comparison.wanted(looked, 0, count)
        voids = comparison.send(keys[wanted], digests[wanted], looked.entries[wanted], b"").voids
        ids = LineIds(JoinedLines(lines), count)
        good = acknowledged(keys[wanted].tobytes(), digests[wanted].tobytes(), [ids[index] for index in wanted])
        changes += [(TONIGHTS_RUN, change) for change in (Voided(voids), good) if change is not None]
    return changes, Completed(FEED, TONIGHTS_RUN, comparison.presence.seen)


def _stem(directory: Path) -> Path:
    return directory / "ledger"


def _ids(directory: Path) -> Path:
    return directory / "ledger.ids"


def _note(directory: Path) -> Path:
    return directory / "ledger.json"


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        print(json.dumps(commit(Path(sys.argv[2]), Path(sys.argv[3]))))
