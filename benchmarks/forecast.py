"""How well a run foresees its end: each forecast of whole runs, beside when they really ended.

The server is steady, so that whoever is wrong about the end is wrong about the run. A resumed run is one that was
stopped after a quarter; in a second night, every fiftieth record has changed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.engine_runs import UNLIMITED, Workload, write_config
from benchmarks.inputs import KINDS, input_file
from benchmarks.plots import Bar, BarGroup, bar_chart
from benchmarks.results import print_table, progress, write_results
from engine.outlets import ProgressHistory, ProgressSnapshot, share_done
from engine.run import sync
from engine.settings import load
from engine.simulator.process import StandInProcess
from engine.values import ExitCode, Interrupted, Stop

JUDGED_FROM = 0.1
"""Forecasts count from this share of a run on."""

STOPPED_AT = 0.25
CHANGED_EVERY = 50


@dataclass(frozen=True, slots=True)
class Case:
    """A run to foresee the end of: what it reads, how fast the server may be asked, and what was before it."""

    name: str
    kind: str
    records: int
    batch_size: int
    requests_per_second: float
    resumed: bool = False
    next_night: bool = False

    def upload(self) -> dict[str, Any]:
        """Return the settings of the upload."""
        return {"batch_size": self.batch_size, "requests_per_second": self.requests_per_second, "concurrency": 8}


CASES = {
    case.name: case
    for case in (
        Case("small", "ndjson", 10_000, 50, 4.5),
        Case("small-resumed", "ndjson", 10_000, 50, 4.5, resumed=True),
        Case("large", "csv-typed", 1_000_000, 5_000, 4.5),
        Case("large-resumed", "csv-typed", 1_000_000, 5_000, 4.5, resumed=True),
        Case("gzip", "ndjson.gz", 300_000, 2_000, 4.5),
        Case("parquet", "parquet", 300_000, 2_000, 4.5),
        Case("next-night", "flat-id-first", 1_000_000, 100, 8.0, next_night=True),
    )
}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run said `at_s` seconds after its start: so many seconds are `left_s`."""

    at_s: float
    left_s: float


class Watcher:
    """Notes what a display would show, and stops the run once so much of it is done; then it is not watched."""

    def __init__(self, stop: Stop, stop_at: float = 2.0) -> None:
        self._stop, self._stop_at = stop, stop_at
        self._history = ProgressHistory()
        self.forecasts: list[Forecast] = []
        self.ended_s = 0.0

    def update(self, snapshot: ProgressSnapshot, *, now: bool = False) -> None:
        """Take the latest snapshot."""
        self._history.add(snapshot)
        self.ended_s = snapshot.elapsed_s
        if (share_done(snapshot) or 0.0) >= self._stop_at:
            self._stop.request(Interrupted("far enough"))
        elif (left_s := self._history.eta_s) is not None:
            self.forecasts.append(Forecast(snapshot.elapsed_s, left_s))

    def message(self, text: str) -> None:
        """Nobody reads it."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Errors:
    """How wrong the forecasts of a run were at the most, from a tenth of it on."""

    took_s: float
    forecasts: int
    end: float
    """Of the moment of the end, as a share of the whole time."""
    left: float
    """Of the time left, as a share of that, as long as it is a tenth of the run or more."""
    unsaid: float
    """For which share of the run, from its start, nothing was foreseen."""


def errors_of(forecasts: list[Forecast], took_s: float) -> Errors:
    """Judge the forecasts of a run that took so long."""
    judged = [each for each in forecasts if each.at_s >= JUDGED_FROM * took_s]
    left = [(each.left_s, took_s - each.at_s) for each in judged]
    return Errors(
        took_s=took_s,
        forecasts=len(judged),
        end=max((abs(said - was) / took_s for said, was in left), default=1.0),
        left=max((abs(said / was - 1) for said, was in left if was >= JUDGED_FROM * took_s), default=1.0),
        unsaid=min((each.at_s for each in forecasts), default=took_s) / took_s,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--cases", default=",".join(CASES), metavar="A,B,…", help="which of them (%(default)s)")
    parser.add_argument("--records", type=int, metavar="N", help="of each source, if not as many as the case has")
    parser.add_argument("--latency-ms", type=int, default=300, metavar="MS", help="of a request (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write the results. Returns 0."""
    unknown = [name for name in args.cases.split(",") if name not in CASES]
    if unknown:
        raise SystemExit(f"cases: {', '.join(unknown)}: there are {', '.join(CASES)}")
    found: dict[str, Errors] = {}
    for case in (replace(CASES[name], records=args.records or CASES[name].records) for name in args.cases.split(",")):
        progress(f"{case.name}: {case.records:,} records of {KINDS[case.kind].about}")
        with StandInProcess("--count-only", f"--latency-ms={args.latency_ms}") as server:
            found[case.name] = measured(case, server)
    rows = [
        (
            f"{name}: {KINDS[CASES[name].kind].about}",
            f"{errors.took_s:.0f}",
            f"{errors.unsaid:.0%}",
            f"{errors.end:.0%}",
            f"{errors.left:.0%}",
        )
        for name, errors in found.items()
    ]
    print_table(("run", "seconds", "first forecast at", "worst error of the end", "worst error of the time left"), rows)
    bars = [Bar(name, errors.end, f"{errors.end:.0%}") for name, errors in found.items()]
    picture = bar_chart([BarGroup("Worst error of the foreseen end", bars)])
    write_results("forecast", vars(args), {name: asdict(errors) for name, errors in found.items()}, picture)
    return 0


def measured(case: Case, server: StandInProcess) -> Errors:
    """Make the run, after what has to be before it, and judge its forecasts."""
    work = Workload(case.kind, input_file(case.kind, case.records), case.records, server, case.upload())
    os.environ |= work.env()
    delta: Mapping[str, Mapping[str, Any]] = {"delta": {"mode": "changed", "feed": "benchmark"}}
    tables = delta if case.next_night else {}
    with tempfile.TemporaryDirectory(prefix="engine-benchmark-") as place:
        config = write_config(work, Path(place), **tables)
        if case.next_night:
            fast = replace(work, upload=UNLIMITED)
            watched_sync(write_config(fast, Path(place), **tables))
            config = write_config(replace(work, path=changed(work.path, Path(place))), Path(place), **tables)
        if case.resumed:
            watched_sync(config, stop_at=STOPPED_AT)
        watcher = watched_sync(config)
    return errors_of(watcher.forecasts, watcher.ended_s)


def changed(flat: Path, place: Path) -> Path:
    """Return a copy of flat NDJSON in which every `CHANGED_EVERY`th record has a field more."""
    copy = place / f"next-{flat.name}"
    with flat.open("rb") as old, copy.open("wb") as new:
        for number, line in enumerate(old):
            new.write(line if number % CHANGED_EVERY else line.rstrip(b"}\n") + b',"night":2}\n')
    return copy


def watched_sync(config: Path, stop_at: float = 2.0) -> Watcher:
    """Run a sync in this process, and watch it."""
    stop = Stop()
    watcher = Watcher(stop, stop_at)
    report = asyncio.run(sync(load(config), stop=stop, display=watcher))
    if report.exit_code not in (ExitCode.OK, ExitCode.INTERRUPTED):
        raise SystemExit(f"the run failed: {report.message}")
    return watcher
