"""The comparison and the commit alone: each in a process of its own, with last night's numbers already in place."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from statistics import median
from typing import Any

from benchmarks.inputs import input_file
from benchmarks.measure import Measured, interleaved, measure
from benchmarks.portfolio import changed_next_night, gone_next_night, new_next_night
from benchmarks.results import progress

NAMES: dict[str, str] = {"engine": "", "engine, of lines": "", "DuckDB": "duckdb", "LMDB": "lmdb", "SQLite": ""}
"""Who compares, each with the package that it takes beside the engine's."""

_COMPARERS, _NUMBERS, _LEDGER = (f"benchmarks.nights.{name}" for name in ("comparers", "numbers", "own_ledger"))


@dataclass(slots=True)
class Alone:
    """One process of a kind, and how it went; `said` is what it has printed, times of its own among that."""

    what: str
    order: str
    records: int
    command: Sequence[str]
    measured: list[Measured] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> None:
        """Run it once."""
        measured = _python(*self.command)
        self.measured.append(measured)
        self.said.append(json.loads(measured.stdout))

    def said_median(self, name: str) -> float:
        """Return the median of what it said under this name."""
        return float(median(said[name] for said in self.said))

    @property
    def peak_mb(self) -> float:
        """The median of its peak memory, mapped pages included."""
        return median(one.peak_mb for one in self.measured)

    def as_json(self) -> dict[str, Any]:
        """Return every run."""
        return {
            "what": self.what,
            "order": self.order,
            "runs": self.said,
            "peak_mb": [m.peak_mb for m in self.measured],
        }


def absent() -> list[str]:
    """Return who cannot compare here, for want of a package."""
    return [name for name, package in NAMES.items() if package and find_spec(package) is None]


def measure_alone(records: int, runs: int, order: str, *, sorted_ids: bool) -> tuple[list[Alone], Alone]:
    """Let everybody who is there compare, and the engine commit, so many times each, in turns.

    Raises:
        SystemExit: somebody has found something else than there is.
    """
    last, tonight = (
        str(input_file("ndjson", records, sorted_ids=sorted_ids, is_next_night=is_next)) for is_next in (False, True)
    )
    lacking = absent()
    with tempfile.TemporaryDirectory(prefix="engine-benchmark-") as directory:
        progress(f"{order}: last night's numbers")
        _python("-m", _NUMBERS, directory, last, tonight)
        _python("-m", _LEDGER, "make", directory, last)
        there = records - gone_next_night(records) + new_next_night(records)
        comparing = []
        for name in (name for name in NAMES if name not in lacking):
            _python("-m", _COMPARERS, "fill", name, directory, last)
            comparing.append(Alone(name, order, there, ("-m", _COMPARERS, "compare", name, directory, tonight)))
        commit = Alone("commit", order, records, ("-m", _LEDGER, "commit", directory, tonight))
        for number, one in interleaved([*comparing, commit], runs):
            progress(f"{order}: {one.what} ({number + 1} of {runs})")
            one.run()
    for one in comparing:
        _check(one, records)
    return comparing, commit


def _check(one: Alone, records: int) -> None:
    expected = {"wanted": changed_next_night(records) + new_next_night(records), "gone": gone_next_night(records)}
    for said in one.said:
        if (found := {name: said[name] for name in expected}) != expected:
            raise SystemExit(f"{one.what}: found {found} instead of {expected}")


def _python(*arguments: str) -> Measured:
    measured = measure([sys.executable, *arguments])
    if measured.exit_code:
        raise SystemExit(f"{' '.join(arguments)}: ended with {measured.exit_code}: {measured.stderr_end}")
    return measured
