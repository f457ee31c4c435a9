"""Who can tell what of tonight's export is new or other than last night, and how much is there no more.

`python -m benchmarks.nights.comparers fill|compare NAME DIRECTORY EXPORT`: each one keeps last night in the way that
suits it, and compares in a process that begins with nothing. Keys and digests are given (`numbers.py`), but for
"engine, of lines", which makes them of the lines of the export. Reading either from the disk is not timed, except where
all of it is one question.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.nights.numbers import (
    LAST,
    TONIGHT,
    Numbers,
    all_numbers,
    batches_of_lines,
    batches_of_numbers,
    numbers_of,
)
from benchmarks.nights.own_ledger import comparison_with, open_saved


@dataclass(frozen=True, slots=True)
class Compared:
    """What somebody has found, and what that took."""

    wanted: int
    """Records that are new or have changed."""
    gone: int
    wall_s: float
    cpu_s: float


class Stopwatch:
    """Adds up the time between `start` and `stop`."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._began = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Count no more."""
        self.wall_s += time.perf_counter() - self._began[0]
        self.cpu_s += time.process_time() - self._began[1]

    def result(self, wanted: int, gone: int) -> Compared:
        """Return what was found in the time that was counted."""
        return Compared(wanted, gone, self.wall_s, self.cpu_s)


class Comparer(Protocol):
    """Somebody who compares."""

    def fill(self, directory: Path) -> None:
        """Keep last night's numbers in the directory."""

    def compare(self, directory: Path, export: Path) -> Compared:
        """Compare tonight's numbers with them."""
        ...


class OwnLedger:
    """The engine's ledger, of given numbers. It is there already: see `own_ledger.py`."""

    def fill(self, directory: Path) -> None:
        """See `Comparer`."""

    def compare(self, directory: Path, export: Path) -> Compared:
        """See `Comparer`."""
        comparison, watch, wanted = comparison_with(directory), Stopwatch(), 0
        for keys, digests in batches_of_numbers(directory, TONIGHT):
            watch.start()
            looked = comparison.look_up(keys, digests, ())
            wanted += len(comparison.wanted(looked, 0, len(keys)))
            watch.stop()
        return _with_gone(directory, comparison.presence.seen, watch, wanted)


class OwnLedgerOfLines(OwnLedger):
    """The same, with the keys and digests yet to be made."""

    def compare(self, directory: Path, export: Path) -> Compared:
        """See `Comparer`."""
        comparison, watch, wanted = comparison_with(directory), Stopwatch(), 0
        for lines, count in batches_of_lines(export):
            watch.start()
            looked = comparison.look_up(*numbers_of(lines, count), ())
            wanted += len(comparison.wanted(looked, 0, count))
            watch.stop()
        return _with_gone(directory, comparison.presence.seen, watch, wanted)


def _with_gone(directory: Path, seen: bytes, watch: Stopwatch, wanted: int) -> Compared:
    watch.start()
    columns = open_saved(directory)
    held = int(np.bitwise_count(np.frombuffer(seen, np.uint8)).sum())
    watch.stop()
    return watch.result(wanted, len(columns) - held)


class Sqlite:
    """SQLite: a table whose rows lie in the order of the keys, and a prepared query for each record."""

    def fill(self, directory: Path) -> None:
        """See `Comparer`."""
        keys, digests = _sorted_numbers(directory)
        with sqlite3.connect(directory / "sqlite.db") as db:
            db.execute("CREATE TABLE ledger (key INTEGER PRIMARY KEY, digest INTEGER) STRICT")
            rows = zip(keys.view(np.int64).tolist(), digests.view(np.int64).tolist(), strict=True)
            db.executemany("INSERT INTO ledger VALUES (?, ?)", rows)

    def compare(self, directory: Path, export: Path) -> Compared:
        """See `Comparer`."""
        db = sqlite3.connect(directory / "sqlite.db")
        db.execute("PRAGMA mmap_size = 1000000000")
        [records] = db.execute("SELECT count(*) FROM ledger").fetchone()
        query, watch, wanted, held = "SELECT digest FROM ledger WHERE key = ?", Stopwatch(), 0, 0
        for keys, digests in batches_of_numbers(directory, TONIGHT):
            watch.start()
            ask = db.execute
            for key, digest in zip(keys.view(np.int64).tolist(), digests.view(np.int64).tolist(), strict=True):
                found = ask(query, (key,)).fetchone()
                held += found is not None
                wanted += found is None or found[0] != digest
            watch.stop()
        return watch.result(wanted, records - held)


class Lmdb:
    """LMDB: a tree in a mapped file, asked for a batch at a time by its own function for many keys."""

    def fill(self, directory: Path) -> None:
        """See `Comparer`."""
        import lmdb

        keys, digests = _sorted_numbers(directory)
        with lmdb.open(str(directory / "lmdb"), map_size=4 << 30) as db, db.begin(write=True) as transaction:
            names, values = _words(keys.astype(">u8").tobytes()), _words(digests.tobytes())
            transaction.cursor().putmulti(zip(names, values, strict=True), append=True)

    def compare(self, directory: Path, export: Path) -> Compared:
        """See `Comparer`."""
        import lmdb

        watch, wanted, held = Stopwatch(), 0, 0
        with lmdb.open(str(directory / "lmdb"), readonly=True, readahead=False) as db, db.begin() as transaction:
            records, cursor = db.stat()["entries"], transaction.cursor()
            for keys, digests in batches_of_numbers(directory, TONIGHT):
                watch.start()
                names = _words(keys.astype(">u8").tobytes())
                found = dict(cursor.getmulti(names))
                held += len(found)
                answers = map(found.get, names)
                wanted += sum(a != b for a, b in zip(answers, _words(digests.tobytes()), strict=True))
                watch.stop()
        return watch.result(wanted, records - held)


class Duckdb:
    """DuckDB: one join of all of tonight's numbers with last night's table, and what is in none of its rows."""

    def fill(self, directory: Path) -> None:
        """See `Comparer`."""
        import duckdb

        with duckdb.connect(directory / "duck.db") as db:
            keys, digests = _sorted_numbers(directory)
            db.register("last", {"key": keys, "digest": digests})
            db.execute("CREATE TABLE ledger AS SELECT * FROM last")

    def compare(self, directory: Path, export: Path) -> Compared:
        """See `Comparer`."""
        import duckdb

        keys, digests = all_numbers(directory, TONIGHT)
        watch = Stopwatch()
        with duckdb.connect(directory / "duck.db", read_only=True) as db:
            watch.start()
            db.register("tonight", {"key": keys, "digest": digests})
            [wanted, held] = db.execute(
                "SELECT count(*) FILTER (ledger.digest IS DISTINCT FROM tonight.digest), count(ledger.key)"
                " FROM tonight LEFT JOIN ledger USING (key)"
            ).fetchall()[0]
            [records] = db.execute("SELECT count(*) FROM ledger").fetchall()[0]
            watch.stop()
        return watch.result(wanted, records - held)


def _sorted_numbers(directory: Path) -> tuple[Numbers, Numbers]:
    """Return last night's keys and digests in the order of the keys, as signed numbers have it."""
    keys, digests = all_numbers(directory, LAST)
    order = np.argsort(keys)
    return keys[order], digests[order]


def _words(text: bytes) -> list[bytes]:
    return [text[at : at + 8] for at in range(0, len(text), 8)]


COMPARERS: dict[str, type[Comparer]] = {
    "engine": OwnLedger,
    "engine, of lines": OwnLedgerOfLines,
    "DuckDB": Duckdb,
    "LMDB": Lmdb,
    "SQLite": Sqlite,
}


def main(what: str, name: str, directory: Path, export: Path) -> None:
    """Let one of them fill its directory, or compare and print what it took."""
    comparer = COMPARERS[name]()
    if what == "fill":
        comparer.fill(directory)
    else:
        print(json.dumps(asdict(comparer.compare(directory, export))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
