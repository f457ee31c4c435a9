"""Whole nights, as their users have them: the first with and without a ledger, the second, and reading alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.engine_runs import Workload, sync, write_config
from benchmarks.inputs import KINDS, input_file
from benchmarks.measure import Measured, interleaved, medians
from benchmarks.portfolio import changed_next_night, gone_next_night, new_next_night
from benchmarks.results import progress
from engine.simulator.process import StandInProcess
from engine.values import CHUNK_RECORDS_MAX

DELTA = {"mode": "changed", "feed": "portfolio"}

READING = "reading tonight's source only"
FIRST_OFF, FIRST_ON, SECOND = "first night, delta off", "first night, delta on", "second night"


@dataclass(slots=True)
class Night:
    """A kind of run, and how it went."""

    what: str
    work: Workload
    to_send: int
    """Records that have to be sent."""
    measured: list[Measured] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def row(self) -> list[str]:
        """Return its medians as a row of a table."""
        wall_s, cpu_s, peak_mb = medians(self.measured)
        requests = f"{max(self.requests):,}" if self.requests else "–"
        return [
            KINDS[self.work.kind].about,
            self.what,
            f"{wall_s:.1f}",
            f"{self.work.records / wall_s:,.0f}",
            f"{cpu_s / self.work.records * 1e6:.2f}",
            f"{peak_mb:.0f}",
            requests,
            f"{-(-self.to_send // CHUNK_RECORDS_MAX):,}" if self.requests else "–",
        ]

    def as_json(self) -> dict[str, Any]:
        """Return every run."""
        runs = [{name: getattr(one, name) for name in ("wall_s", "cpu_s", "peak_mb")} for one in self.measured]
        return {"kind": self.work.kind, "what": self.what, "requests": self.requests, "runs": runs}


HEADER = ("source", "what", "seconds", "records/s", "CPU s per million", "peak MB", "requests", "fewest")


def measure_nights(kind: str, records: int, runs: int, sink: StandInProcess, *, sorted_ids: bool) -> list[Night]:
    """Run all nights of a kind of source, so many times each, in turns."""
    last = Workload(kind, input_file(kind, records, sorted_ids=sorted_ids), records, sink)
    there = records - gone_next_night(records) + new_next_night(records)
    export = input_file(kind, records, sorted_ids=sorted_ids, is_next_night=True)
    tonight = replace(last, path=export, records=there)
    nights = [
        Night(READING, tonight, 0),
        Night(FIRST_OFF, last, records),
        Night(FIRST_ON, last, records),
        Night(SECOND, tonight, changed_next_night(records) + new_next_night(records)),
    ]
    with tempfile.TemporaryDirectory(prefix="engine-benchmark-") as directory:
        _sync(last, Path(directory), records)
        for number, night in interleaved(nights, runs):
            progress(f"{KINDS[kind].about}: {night.what} ({number + 1} of {runs})")
            _run(night, Path(directory))
    return nights


def _run(night: Night, after_first: Path) -> None:
    """Run a night once: the second one goes on from a copy of what the first has left."""
    with _directory_for(night, after_first) as directory:
        work = night.work
        before = work.server.stats()
        if night.what == READING:
            config = write_config(work, directory)
            measured = sync(work, config, ("benchmarks.stages", "source"))[0]
            if measured.exit_code:
                raise SystemExit(f"reading ended with {measured.exit_code}: {measured.stderr_end}")
        else:
            measured = _sync(work, directory, night.to_send, with_delta=night.what != FIRST_OFF)
            night.requests.append(work.server.stats()["requests"] - before["requests"])
        night.measured.append(measured)


@contextmanager
def _directory_for(night: Night, after_first: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="engine-benchmark-") as directory:
        if night.what == SECOND:
            shutil.copytree(after_first / "state", Path(directory, "state"))
        yield Path(directory)


def _sync(work: Workload, directory: Path, to_send: int, *, with_delta: bool = True) -> Measured:
    """Run a sync; what it has to send must have arrived, and nothing else.

    Raises:
        SystemExit: it did not.
    """
    config = write_config(work, directory, **({"delta": DELTA} if with_delta else {}))
    before = work.server.stats()["records"]
    measured, report = sync(work, config)
    arrived = work.server.stats()["records"] - before
    if report.get("status") != "succeeded" or arrived != to_send:
        raise SystemExit(f"{arrived:,} records of {to_send:,} arrived: {measured.stdout}\n{measured.stderr_end}")
    return measured
